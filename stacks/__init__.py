"""The two stacks, and the one validated configuration that they are built from."""
