"""Defines the two stacks from the configuration; cdktf runs this file."""

import os
from pathlib import Path

from scripts.console import Console
from stacks.configuration import SettingsError, load_settings


def main() -> int:
    """Synthesizes both stacks; 1 when the configuration cannot be used."""
    try:
        configuration = load_settings(Path(os.environ.get("PREQUEL_CONFIG_DIR", ".")), os.environ)
    except SettingsError as error:
        Console().error("\n".join(error.problems))
        return 1
    if not configuration.settings.domain_name:
        Console().say("note: domain_name is empty, so this is development mode: plain HTTP and no DNS")
    if configuration.backend is None:
        Console().say("note: there is no backend.config, so Terraform's state is a local file")
    # Imported only now, so that a problem in the configuration shows before two seconds of loading.
    import stacks.node  # noqa: F401  (first: it starts the Node.js process of all jsii modules)

    # isort: split
    from cdktf import App

    from scripts.programs import PROGRAMS
    from stacks.interview import InterviewStack
    from stacks.shared import SharedStack

    app = App()
    SharedStack(app, "shared", configuration=configuration, programs=PROGRAMS)
    InterviewStack(app, "interview")
    app.synth()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
