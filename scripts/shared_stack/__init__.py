"""What operations know of the shared stack: its outputs, its state, and what synthesis gives."""
