"""Sets the scene of a rehearsal: what runs on the cluster before the story begins, and what happens while it runs."""
