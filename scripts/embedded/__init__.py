"""An AWS on this machine, for the demo, development, rehearsals and tests."""
