"""The container engine of this machine, Docker or podman."""
