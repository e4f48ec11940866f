"""The terraform binary, its providers, and its runs."""
