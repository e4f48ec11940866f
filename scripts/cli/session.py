"""What every command shares: its output, the configuration, and AWS."""

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.console import Console
from scripts.errors import PrequelError

if TYPE_CHECKING:
    from scripts.aws.clients import Aws
    from scripts.interviews.context import Context
    from scripts.interviews.remote import Remote
    from stacks.configuration import Configuration

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON lines for machines instead of text.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def command_group(help: str) -> typer.Typer:
    """A group of commands; plain help, because the decorated one takes three times as long to start."""
    return typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)


class Session:
    """One call of a command; each part is made when first used, so that ``--help`` stays fast."""

    def __init__(self, *, json_lines: bool = False) -> None:
        from scripts.private_files import remove_abandoned

        self.console = Console(json_lines=json_lines)
        remove_abandoned()

    @property
    def directory(self) -> Path:
        """Where the configuration is: ``PREQUEL_CONFIG_DIR`` or the current directory."""
        return Path(os.environ.get("PREQUEL_CONFIG_DIR") or Path.cwd())

    @cached_property
    def configuration(self) -> "Configuration":
        """The validated configuration in ``directory``.

        Raises ``PrequelError`` with a line for every problem.
        """
        from stacks.configuration import SettingsError, load_settings

        try:
            return load_settings(self.directory, os.environ)
        except SettingsError as error:
            raise PrequelError("\n".join(error.problems)) from error

    @cached_property
    def aws(self) -> "Aws":
        """Clients for the configured region."""
        from scripts.aws.clients import Aws

        return Aws(self.configuration.settings.aws_region, report_clock=self.console.warn)

    @property
    def bucket(self) -> str:
        """The instance bucket's name."""
        from contract.names import bucket_name

        return bucket_name(self.configuration.settings.project_prefix)

    @cached_property
    def context(self) -> "Context":
        """The configured stack, as the operations on interviews see it."""
        from scripts.interviews.context import Context

        settings = self.configuration.settings
        return Context(
            self.aws,
            self.bucket,
            self.console,
            keeps_work=settings.work_retention_days > 0,
            start_early_minutes=settings.start_early_minutes,
        )

    @cached_property
    def remote(self) -> "Remote":
        """The runner of the configured stack."""
        from contract.names import runner_project
        from scripts.interviews.builds import Dispatcher
        from scripts.interviews.remote import Remote

        project = runner_project(self.configuration.settings.project_prefix)
        return Remote(self.context, Dispatcher(self.aws, bucket=self.bucket, project=project))

    def confirm(self, question: str) -> bool:
        """Whether the user says yes; raises ``PrequelError`` where there is no terminal to ask at."""
        if self.console.json_lines or sys.stdin is None or not sys.stdin.isatty():
            raise PrequelError(f"not interactive: pass --yes, or look with --dry-run ({question})")
        return typer.confirm(question, err=True)
