"""How the GPUs of running nodes come to be shared otherwise without harm to who uses them."""
