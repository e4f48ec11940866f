"""`prequel local`: the shared stack on an embedded AWS, for development."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.cli.session import DryRunOption, JsonOption, Session, command_group
from scripts.errors import PrequelError

app = command_group("Run the shared stack on an embedded AWS, for development.")

DIRECTORY = Path(".prequel/local")


@app.command()
def up(*, json_lines: JsonOption = False, dry_run: DryRunOption = False) -> None:
    """Start an embedded AWS with the shared stack (two minutes).

    With Docker or podman and HAProxy, its interviews run: editors open in a browser on this machine.

    Example: prequel local up && eval "$(prequel local env)" && prequel interview list
    """
    from scripts.embedded import local_stack

    session = Session(json_lines=json_lines)
    if dry_run:
        session.console.say(f"would start an embedded AWS in {DIRECTORY} and deploy the shared stack on it")
        return
    running = local_stack.up(DIRECTORY.resolve(), session.console)
    session.console.result(
        local_stack.exports(running),
        f'The embedded AWS answers at {running.endpoint}.\nUse it: eval "$(prequel local env)"'
        + local_stack.hint(running),
    )


@app.command()
def env(
    *,
    unset: Annotated[bool, typer.Option("--unset", help="Print the commands that remove them again.")] = False,
    json_lines: JsonOption = False,
) -> None:
    """Print the environment variables with which other commands use it.

    Examples: eval "$(prequel local env)"; eval "$(prequel local env --unset)"
    """
    from scripts.embedded import local_stack

    session = Session(json_lines=json_lines)
    if unset:
        names = local_stack.exported_names()
        session.console.result(dict.fromkeys(names), f"unset {' '.join(names)}")
        return
    running = local_stack.LocalAws.find(DIRECTORY.resolve())
    if running is None:
        raise PrequelError("no local AWS is running; start one with `prequel local up`")
    session.console.result(local_stack.exports(running), local_stack.shell_exports(running))


@app.command()
def down(*, json_lines: JsonOption = False, dry_run: DryRunOption = False) -> None:
    """Stop it and delete everything on it.

    Example: prequel local down
    """
    from scripts.embedded import local_stack

    console = Session(json_lines=json_lines).console
    running = local_stack.LocalAws.find(DIRECTORY.resolve())
    if running is None:
        if not dry_run:
            local_stack.clean(DIRECTORY.resolve())  # what one left that was killed
        console.say("no local AWS is running")
    elif dry_run:
        console.say(f"would stop the embedded AWS at {running.endpoint}")
    else:
        running.stop()
        console.say('stopped; in a shell that used it, run: eval "$(prequel local env --unset)"')
