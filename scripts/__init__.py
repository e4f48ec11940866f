"""The operations around the stacks, and the `prequel` command. Nothing here imports cdktf, except `render`."""
