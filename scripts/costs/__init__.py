"""What the stacks cost: their resources as synthesized, the prices of those, and the README's table."""
