"""What a driver serves: CUDA versions, boards, and what containers say that they need; tables, read purely."""
