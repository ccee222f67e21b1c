"""What the GPU nodes of a cluster need to run, how it differs from what runs, and who else provides it."""
