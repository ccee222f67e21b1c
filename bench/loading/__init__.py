"""What `bench load` is made of: the stories it rehearses, what a witness notes of them, and the figures."""
