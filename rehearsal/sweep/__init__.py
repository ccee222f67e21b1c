"""The sweep: every call, invocation and state of a small story is made to fail once, each in a run of its own."""
