"""What is done to a GPU, or to the one pod on it: each module is one way, asked again until it has its answer."""
