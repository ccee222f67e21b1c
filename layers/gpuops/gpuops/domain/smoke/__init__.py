"""The proof that a node's GPUs compute and are shared as declared: which stages, what they print, what that means."""
