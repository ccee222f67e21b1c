"""What lets a launched instance take work: who it is, whether its GPUs are all there, whether they compute."""
