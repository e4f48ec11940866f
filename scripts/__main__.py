"""``prequel``, and ``python -m scripts``: what is imported before a ctrl-C can be answered."""

import signal
import sys


def main() -> None:
    """Runs the command line; a ctrl-C while that is imported, which takes most of a short command, is one line too."""
    try:
        from scripts.cli.app import main as run

        run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from scripts.console import Console
        from scripts.errors import InterruptedRunError

        Console(json_lines="--json" in sys.argv).error("interrupted")
        sys.exit(InterruptedRunError.exit_code)


if __name__ == "__main__":
    main()
