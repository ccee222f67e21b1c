"""What failed before, and what that says about now: breakers over groups, GPUs that are known to be bad."""
