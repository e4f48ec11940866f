"""Cost estimates from the synthesized resources of the stacks."""
