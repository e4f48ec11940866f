"""The failures that a user can act on, and the exit code of each."""

import errno


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


class UnsavedWorkError(PrequelError):
    """An interview is gone, and the last of the candidate's work may not be saved; the text says why."""

    exit_code = 5


class WorkError(PrequelError):
    """A candidate's saved work cannot be found, read or deleted; the text names it and says what to do."""


class NoFreeSlotError(PrequelError):
    """All slots are taken; the text says by whom, and when the next one frees."""

    exit_code = 4


class ChallengeError(PrequelError):
    """A challenge cannot be read, published, found or removed; the text names it and says what to do."""


class ImageError(PrequelError):
    """A container image cannot be found, copied or made current; the text names it and says what to do."""


class EngineError(PrequelError):
    """No container engine can be used; the text says what was looked for, what is missing, and what to do."""


class MachineError(PrequelError):
    """This machine has no disk space, memory, process or right left for what was to be done; the text says which."""


_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space, or set TMPDIR or XDG_CACHE_HOME to another disk"),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM), "make it accessible, or set TMPDIR or XDG_CACHE_HOME to another place"
    ),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "close other programs, or raise the limit of open files"),
    **dict.fromkeys((errno.EAGAIN, errno.ENOMEM), "close other programs, or raise the limits of memory and processes"),
}


def reason(error: BaseException) -> str:
    """Why something failed, on one line; for what this machine refused, with what to do."""
    if isinstance(error, PrequelError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by the user"
    if isinstance(error, OSError) and error.errno is not None:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        remedy = _REMEDIES.get(error.errno, "")
        text = f"this machine refused: {': '.join([error.strerror or str(error), *names])}" + (remedy and f"; {remedy}")
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(text.split())


def is_of_machine(error: BaseException) -> bool:
    """Whether this machine is why, and not a mistake of ours."""
    # Python's word for a thread that could not be started.
    return isinstance(error, OSError | MemoryError) or "can't start new thread" in str(error)


def extended(error: BaseException, more: str) -> BaseException:
    """``error`` with ``more`` in its text, if the user can act on it; a mistake of ours as it is."""
    if isinstance(error, PrequelError):
        return type(error)(f"{error}; {more}")
    return MachineError(f"{reason(error)}; {more}") if is_of_machine(error) else error
