"""Challenges: read from a directory, published to the instance bucket as whole versions, listed and removed.

docs/decisions/0030-challenge-versions.md says why they are stored as they are.
"""
