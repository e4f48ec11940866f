"""What the stacks, the template set and the operations agree on; it imports nothing of ours."""
