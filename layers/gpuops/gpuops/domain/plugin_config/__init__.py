"""What NVIDIA's device plugin v0.20.0 makes of a configuration: what it refuses, and what it passes over in silence."""
