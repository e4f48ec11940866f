"""The data plane of the embedded AWS: what it is told to run, runs, in the containers of this machine's engine."""
