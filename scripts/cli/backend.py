"""`prequel backend`: where the shared stack's Terraform state lives."""

import typer

from scripts.cli.session import DryRunOption, JsonOption, Session, command_group
from scripts.errors import PrequelError

app = command_group("Prepare the S3 backend of the shared stack.")
app.callback()(lambda: None)  # without one, typer makes a group of one command that command


@app.command()
def create(*, json_lines: JsonOption = False, dry_run: DryRunOption = False) -> None:
    """Create the bucket that backend.config names. Safe to repeat.

    It is versioned, encrypted and private, and takes TLS only. A bucket that exists is only looked at; what it lacks of
    this is said, with exit code 1.

    Example: prequel backend create --dry-run
    """
    from scripts.shared_stack.state_bucket import backend_aws, create_state_bucket

    session = Session(json_lines=json_lines)
    backend = session.configuration.backend
    if backend is None:
        raise PrequelError("there is no backend.config; copy backend.config.example to backend.config and edit it")
    created, findings = create_state_bucket(backend_aws(backend), backend, session.console, dry_run=dry_run)
    session.console.result({"bucket": backend.bucket, "created": created and not dry_run, "findings": findings})
    if findings:
        raise typer.Exit(1)
