"""What can go wrong in a way that the user can mend, and the exit code of each."""


class PrequelError(Exception):
    """A failure that the user can act on; its text is one clear line that says what to do next."""

    exit_code = 1


class MissingToolError(PrequelError):
    """A program that this command needs is not on this machine, or is too old."""


class TerraformError(PrequelError):
    """Terraform ended with an error; ``diagnostics`` holds its messages, shortest first in ``str()``."""

    def __init__(self, message: str, diagnostics: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


class AwsError(PrequelError):
    """AWS refused a call; the text names the call, the resource and the reason."""


class InterruptedRunError(PrequelError):
    """The user pressed ctrl-C; what was begun is finished or can be recovered."""

    exit_code = 130
