"""``python -m scripts`` is the same as ``prequel``."""

from scripts.cli.app import main

main()
