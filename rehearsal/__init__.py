"""Plays an AWS region and GPU nodes around a real Kubernetes control plane, and judges what gpuops does there."""
