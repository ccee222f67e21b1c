"""The `gpuops` command: reads, plans, starts executions; it never touches a node itself."""
