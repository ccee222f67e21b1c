"""What `gpuops doctor` asks an account and a cluster, and what it makes of the answers: looking apart from judging."""
