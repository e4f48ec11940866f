"""`make bench`: what a person waits for, measured here and now, ours beside the plain flow on one embedded AWS.

Printed and written to docs/benchmarks.md, never asserted: machines differ.
"""
