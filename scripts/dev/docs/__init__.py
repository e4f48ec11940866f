"""Generates the diagrams and references in the documentation (`make docs`)."""
