"""What the gpuops functions share: pure decisions, one adapter per outside world, and the entry they all pass."""
