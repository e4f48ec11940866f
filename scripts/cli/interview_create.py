"""`prequel interview create`."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.cli.interview_options import ChallengeOption, RemoteOption, WaitOption, graceful
from scripts.cli.session import DryRunOption, JsonOption, Session
from scripts.errors import RefusedError

if TYPE_CHECKING:
    from scripts.interviews.request import Request

CandidateOption = Annotated[str | None, typer.Option(metavar="NAME", help="The candidate's name.")]
DurationOption = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Minutes, or a text such as 90m or 1h30m.")
]
AtOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Start later, at this ISO 8601 time; `reap` starts it.")
]
NewIdOption = Annotated[str | None, typer.Option(metavar="ID", help="A DNS label; generated if not given.")]
ImageTagOption = Annotated[
    str,
    typer.Option(
        metavar="TAG",
        help="A tag of the stack's own repository; by default the challenge's, or else the release's image.",
    ),
]
PasswordOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password; generated if not given.")]
KeepOption = Annotated[bool, typer.Option("--keep", help="Leave a failed create as it is.")]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Create every row of this CSV: challenge, candidate, and if wanted id, duration, at.",
    ),
]
ParallelOption = Annotated[int, typer.Option(metavar="N", min=1, max=32, help="How many at once, with --from.")]


def create(
    *,
    challenge: ChallengeOption = None,
    candidate: CandidateOption = None,
    duration: DurationOption = None,
    at: AtOption = None,
    id: NewIdOption = None,
    image_tag: ImageTagOption = "",
    password_stdin: PasswordOption = False,
    keep: KeepOption = False,
    wait_seconds: WaitOption = 600,
    from_file: FileOption = None,
    parallel: ParallelOption = 4,
    remote: RemoteOption = False,
    json_lines: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Create an interview, and print its URL and password.

    Waits until it can be used. The password is printed once; it is stored in SSM only. A failed create is destroyed
    again.

    Example: prequel interview create --challenge python/rate-limiter --candidate "Ada Lovelace" --duration 90m
    """
    from scripts.interviews.bulk import read_requests
    from scripts.interviews.inputs import with_image_tags
    from scripts.interviews.request import Request, generated_id, generated_password, parsed_duration
    from scripts.interviews.times import parsed_time

    session = Session(json_lines=json_lines)
    if from_file is not None:
        requests = read_requests(from_file, keep=keep, wait_seconds=wait_seconds)
    elif challenge is None or candidate is None:
        raise typer.BadParameter("--challenge and --candidate are needed, or --from")
    else:
        request = Request(
            challenge=challenge,
            candidate_name=candidate,
            id=id or generated_id(),
            duration=parsed_duration(duration) if duration else None,
            starts_at=parsed_time(at, session.context.now()) if at else None,
            password=_given_password() if password_stdin else generated_password(),
            image_tag=image_tag,
            keep=keep,
            wait_seconds=wait_seconds,
        )
        request.check()
        requests = [request]
    settings = session.configuration.settings
    requests = with_image_tags(
        session.context, requests, project_prefix=settings.project_prefix, indexing=settings.soci_indexing
    )
    if from_file is not None:
        _create_all(session, requests, parallel, remote=remote, dry_run=dry_run)
    elif dry_run:
        _plan_one(session, requests[0])
    else:
        _create_one(session, requests[0], remote=remote)


def _given_password() -> str:
    """The first line of standard input; what is no text in it becomes characters that no password may have."""
    if sys.stdin is None:
        raise RefusedError("--password-stdin: standard input is closed, expected a line with the password")
    return sys.stdin.buffer.readline().decode(errors="replace").rstrip("\r\n")


def _create_one(session: Session, request: "Request", *, remote: bool) -> None:
    from scripts.cli.interview_views import created_card
    from scripts.interviews.create import create

    start = time.monotonic()
    session.console.say(f"Creating interview {request.id} …")
    with graceful(f"`prequel interview recover {request.id}` completes it, destroy removes it"):
        created = session.remote.create(request) if remote else create(session.context, request)
    seconds = time.monotonic() - start
    value = created.document() | {"seconds": round(seconds, 3)}
    session.console.result(value, created_card(created, session.aws.region, seconds))


def _plan_one(session: Session, request: "Request") -> None:
    from scripts.interviews.create import plan
    from scripts.interviews.times import shown_time

    found = plan(session.context, request)
    start, then = ("", "") if request.starts_at is None else (f" at {shown_time(request.starts_at)}", " then")
    session.console.say(
        f"would create interview {request.id}{start} with release {found.intent.release_digest[:12]}, "
        f"{found.free_slots} of {found.slots} slots are free{then}, {found.cost}"
    )
    session.console.result({"id": request.id, "dry_run": True})


def _create_all(session: Session, requests: "list[Request]", parallel: int, *, remote: bool, dry_run: bool) -> None:
    from scripts.interviews import bulk

    if dry_run:
        bulk.preview(session.context, requests, parallel=parallel)
        session.console.result({"ids": [request.id for request in requests], "dry_run": True})
        return
    rows = bulk.create_all(session.context, requests, parallel=parallel, remote=session.remote if remote else None)
    made = [row.cost for row in rows if row.cost]
    summary = f"{len(made)} created, together about ${sum(made):.2f}" if made else ""
    session.console.result([row.document() for row in rows], summary)
    raise typer.Exit(max((row.exit_code for row in rows), default=0))
