"""Measurements of gpuops, each printing one JSON object."""
