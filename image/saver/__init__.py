"""Saves a candidate's work while it is made, and restores it when the task is replaced (docs/decisions/0033)."""
