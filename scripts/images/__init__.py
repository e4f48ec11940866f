"""The images of our own repository: which there are, which is current, and how one gets in."""
