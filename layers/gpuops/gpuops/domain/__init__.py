"""Decisions without side effects, so that every one of them can be tested with plain values."""
