"""The simulated AWS region: moto behind the real API shapes, with what moto leaves out, on one clock."""
