"""Simulated kubelets: boots, Nodes, pods, GPUs, logs and metrics of machines that are not there.

They write what kubelets write, through the real apiserver, so that scheduler and controllers cannot tell. Left out:
containers themselves, probes, the mounting of volumes, evictions by the kubelet, static pods, image pulls
that fail, in-place resizing, and a Node that registers anew after somebody deleted it.
"""

from rehearsal.kubelets.kubelets import Kubelets
from rehearsal.kubelets.machine import Instance, Release

__all__ = ["Instance", "Kubelets", "Release"]
