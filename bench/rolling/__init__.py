"""What `bench roll` is made of: the story it rehearses, what a witness notes of it, the bound and the bill."""
