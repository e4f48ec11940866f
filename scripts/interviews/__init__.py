"""Interviews, from the intent to create one to the proof that nothing of it is left."""
