"""Template releases: what is published, how it gets into the bucket, and what it must pass before it does.

docs/decisions/0010-releases.md says why releases are stored and switched as they are.
"""
