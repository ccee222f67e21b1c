"""What `gpuops bench rebalance` is made of: traces, a pool that replays them, policies, the hindsight, the bound."""
