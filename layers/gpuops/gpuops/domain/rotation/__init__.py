"""Rotation: what to roll, in which order, what changes around it, and how it is put back; decisions only."""
