"""``python -m scripts`` is the same as ``prequel``."""

from scripts.cli import main

main()
