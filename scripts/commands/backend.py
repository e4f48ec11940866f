"""`prequel backend`: where the shared stack's Terraform state lives."""

from scripts.commands.session import DryRunOption, JsonOption, Session, command_group

app = command_group("Prepare the S3 backend of the shared stack.")


@app.callback()
def backend() -> None:
    """Prepare the S3 backend of the shared stack."""


@app.command()
def create(*, json_lines: JsonOption = False, dry_run: DryRunOption = False) -> None:
    """Create the bucket that backend.config names: versioned, encrypted, private, TLS only. Safe to repeat.

    Example: prequel backend create --dry-run
    """
    from scripts.aws import Aws
    from scripts.errors import PrequelError
    from scripts.state_bucket import create_state_bucket

    session = Session(json_lines=json_lines)
    settings = session.configuration.backend
    if settings is None:
        raise PrequelError("there is no backend.config; copy backend.config.example to backend.config and edit it")
    created = create_state_bucket(Aws(settings.region), settings.bucket, session.console, dry_run=dry_run)
    session.console.result({"bucket": settings.bucket, "created": created and not dry_run})
