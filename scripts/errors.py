"""The failures that a user can act on, and the exit code of each."""


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


class BuildQuotaError(AwsError):
    """The account's quota of concurrent CodeBuild builds is used up; the text names it and says what to do."""


class InterruptedRunError(PrequelError):
    """The user pressed ctrl-C; what was begun is finished or can be recovered."""

    exit_code = 130


class ReleaseError(PrequelError):
    """A template release cannot be found, read or switched to; the text names the release or the file."""


class AlteredReleaseError(ReleaseError):
    """A stored file is missing or is not what was published; the text names it."""


class TemplateError(ReleaseError):
    """A template set failed a check before it was published; the text has one line for each problem."""


class SharedValuesError(PrequelError):
    """The shared stack's outputs cannot be read, are incomplete, or belong to another deployment."""


class RefusedError(PrequelError):
    """An interview operation is refused before it began; the text has the value got and what is accepted."""


class BusyInterviewError(RefusedError):
    """Another process is working on the interview; the text says who, since when, and what to do."""


class UnreadableIntentError(PrequelError):
    """A stored interview.json is not what this version of prequel writes."""


class NotReadyError(PrequelError):
    """An interview was created but did not become usable; the text says what failed."""


class LeakingError(PrequelError):
    """An interview's resources could not be verified to be gone; they may still cost money."""

    exit_code = 3


class NoFreeSlotError(PrequelError):
    """All slots are taken; the text says by whom, and when the next one frees."""

    exit_code = 4


class ChallengeError(PrequelError):
    """A challenge cannot be read, published, found or removed; the text names it and says what to do."""


class ImageError(PrequelError):
    """A container image cannot be found, copied or made current; the text names it and says what to do."""


class EngineError(PrequelError):
    """No container engine can be used; the text says what was looked for, what is missing, and what to do."""
