"""What `make docs` writes: the two pictures, drawn from the stacks and the state machine, and the command reference."""
