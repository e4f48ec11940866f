"""`prequel interview`: from create to proven gone."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.cli.session import DryRunOption, JsonOption, Session
from scripts.errors import InterruptedRunError

if TYPE_CHECKING:
    from rich.table import Table

    from scripts.interviews.bulk import RowResult
    from scripts.interviews.context import Context
    from scripts.interviews.create import Created, Request
    from scripts.interviews.records import Intent, Tombstone
    from scripts.interviews.remote import Remote

EXIT_CODES = """\
Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 not proven gone (leaking); 4 no free slot; 130 interrupted.
With --json each line on standard output is an object with "time" and "event"; the last is the "result", or an "error".
The events are described in docs/interviews.md."""

app = typer.Typer(
    help="Create interviews, look after them, and see them gone.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
)

_WATCH_SECONDS = 5

RemoteOption = Annotated[bool, typer.Option("--remote", help="Let AWS do it: CodeBuild and the reaper's function.")]
WaitOption = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, max=600, help="How long it may take to become ready.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The interview's id.")]


def context_of(session: Session) -> "Context":
    """The configured stack, as the operations see it."""
    from scripts.interviews.context import SETTLING_SECONDS, Context

    # An emulator answers what is, at once.
    settling_seconds = 0.1 if session.aws.is_embedded else SETTLING_SECONDS
    return Context(session.aws, session.bucket, session.console, settling_seconds=settling_seconds)


def remote_of(session: Session, context: "Context") -> "Remote":
    """The runner of the configured stack."""
    from contract.names import runner_project
    from scripts.interviews.builds import Dispatcher
    from scripts.interviews.remote import Remote

    project = runner_project(session.configuration.settings.project_prefix)
    return Remote(context, Dispatcher(session.aws, bucket=session.bucket, project=project))


@contextmanager
def _graceful(what_next: str) -> Iterator[None]:
    """Ends on ctrl-C with one line instead of a traceback; while terraform runs, it is told and waited for."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(f"interrupted; {what_next}") from None


@app.command(epilog=EXIT_CODES)
def create(
    *,
    challenge: Annotated[
        str | None, typer.Option(metavar="NAME", help="A published challenge, such as python/rate-limiter.")
    ] = None,
    candidate: Annotated[str | None, typer.Option(metavar="NAME", help="The candidate's name.")] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Minutes, or a text such as 90m or 1h30m.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Start later, at this ISO 8601 time; `reap` starts it.")
    ] = None,
    id: Annotated[str | None, typer.Option(metavar="ID", help="A DNS label; generated if not given.")] = None,
    image_tag: Annotated[
        str, typer.Option(metavar="TAG", help="A tag of the stack's own code-server repository.")
    ] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password; else one is made.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave a failed create as it is.")] = False,
    wait_seconds: WaitOption = 300,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Create every row of this CSV: challenge, candidate, and if wanted id, duration, at.",
        ),
    ] = None,
    parallel: Annotated[int, typer.Option(metavar="N", min=1, max=32, help="How many at once, with --from.")] = 4,
    remote: RemoteOption = False,
    json_lines: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Create an interview, and print its URL and password.

    Waits until it can be used. The password is printed once; it is stored in SSM only. A failed create is destroyed
    again.

    Example: prequel interview create --challenge python/rate-limiter --candidate "Ada Lovelace" --duration 90m
    """
    from scripts.interviews import bulk
    from scripts.interviews import create as operation
    from scripts.interviews.request import generated_id, generated_password, parsed_duration, parsed_time

    if keep and remote:
        raise typer.BadParameter("--keep is for terraform on this machine: a failed remote create is always destroyed")
    session = Session(json_lines=json_lines)
    if from_file is not None:
        context = context_of(session)
        requests = bulk.read_requests(from_file, context.now(), keep=keep, wait_seconds=wait_seconds)
        runner = remote_of(session, context) if remote else None
        _create_all(
            context,
            _with_lazy_tags(session, requests),
            parallel=parallel,
            dry_run=dry_run,
            create_all=(
                partial(bulk.create_all, creator=runner.create, completer=runner.complete)
                if runner
                else bulk.create_all
            ),
        )
        return
    if challenge is None or candidate is None:
        raise typer.BadParameter("--challenge and --candidate are needed, or --from")
    context = context_of(session)
    request = operation.Request(
        challenge=challenge,
        candidate_name=candidate,
        id=id or generated_id(),
        duration=parsed_duration(duration) if duration else None,
        starts_at=parsed_time(at, context.now()) if at else None,
        password=sys.stdin.readline().rstrip("\r\n") if password_stdin else generated_password(),
        image_tag=image_tag,
        keep=keep,
        wait_seconds=wait_seconds,
    )
    request.check()
    (request,) = _with_lazy_tags(session, [request])
    if not dry_run:
        session.console.say(f"Creating interview {request.id} …")
    with _graceful(f"`prequel interview recover {request.id}` completes it, destroy removes it"):
        made_remotely = remote and not dry_run
        created = (
            remote_of(session, context).create(context, request)
            if made_remotely
            else operation.create(context, request, dry_run=dry_run)
        )
    if created is None:
        session.console.result({"id": request.id, "dry_run": True})
    else:
        session.console.result(_created(created), _card(created, context.aws.region))


def _with_lazy_tags(session: Session, requests: "list[Request]") -> "list[Request]":
    """``requests``, where each tag loads lazily if it can; raises ``ImageError`` when one is not there."""
    from dataclasses import replace

    from scripts.images.catalog import Catalog
    from scripts.images.choice import lazy_tag

    settings = session.configuration.settings
    catalog = Catalog(session.aws, settings.project_prefix)
    lazy = {
        tag: tag and lazy_tag(tag, catalog, session.console.warn, indexing=settings.soci_indexing)
        for tag in dict.fromkeys(request.image_tag for request in requests)
    }
    return [replace(request, image_tag=lazy[request.image_tag]) for request in requests]


def _create_all(
    context: "Context",
    requests: "list[Request]",
    *,
    parallel: int,
    dry_run: bool,
    create_all: "Callable[..., list[RowResult]]",
) -> None:
    """One interview for each row; the exit code is the worst row's."""
    if dry_run:
        _say_costs(context, requests)
        context.console.result({"ids": [request.id for request in requests], "dry_run": True})
        return

    def document(row: "RowResult") -> dict[str, Any]:
        return {
            "row": row.row,
            "id": row.id,
            "outcome": row.outcome,
            "access_url": row.access_url,
            "password": row.password,
            "cost_usd": round(row.cost, 4),
        } | ({"error": row.error} if row.error else {})

    def tell(row: "RowResult") -> None:
        # At once, because the password is told only here, and a later row may end the command.
        text = row.error or f"{row.access_url}  {row.password or '(password in SSM)'}"
        context.console.part("row", f"{row.id}  {row.outcome}  {text}", **document(row))

    results = create_all(context, requests, parallel=parallel, on_result=tell)
    made = [row.cost for row in results if row.cost]
    summary = f"{len(made)} created, together about ${sum(made):.2f}" if made else ""
    context.console.result([document(row) for row in results], summary)
    raise typer.Exit(max(row.exit_code for row in results) if results else 0)


def _say_costs(context: "Context", requests: "list[Request]") -> None:
    """What each row would create, and what they would cost, if none of them is there."""
    from scripts.interviews import bulk

    total = 0.0
    for request, duration, rate in bulk.rated(context, requests):
        total += rate.total(duration)
        context.console.say(
            f"would create {request.id} ({request.challenge}) unless it is there, {rate.told(duration)}"
        )
    context.console.say(f"{len(requests)} interviews, together about ${total:.2f}")


def _created(created: "Created") -> dict[str, Any]:
    from scripts.interviews.records import timestamp

    intent = created.intent
    return {
        "id": intent.id,
        "status": intent.status,
        "access_url": created.access_url,
        "password": created.password,
        "slot": intent.slot,
        "starts_at": timestamp(intent.starts_at),
        "deadline": timestamp(intent.deadline),
        "hourly_price_usd": round(intent.hourly_price, 4),
        "cost_usd": round(created.cost, 4),
        "outputs": intent.outputs,
        "seconds": round(created.seconds, 3),
    }


def _card(created: "Created", region: str) -> str:
    from scripts.interviews.rate import Rate
    from scripts.interviews.records import timestamp

    intent = created.intent
    lines = {
        "interview": f"{intent.id} ({intent.status})",
        "url": created.access_url or f"not before {timestamp(intent.starts_at)}",
        "password": f"{created.password}   (shown once)",
        "ends": timestamp(intent.deadline),
        "costs": f"about ${created.cost:.2f} until then{Rate(intent.hourly_price, region).whose}",
        "took": f"{created.seconds:.1f} s",
    }
    return "\n".join(f"{name:<10} {value}" for name, value in lines.items())


@app.command("list", epilog=EXIT_CODES)
def list_(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every five seconds, until ctrl-C.")] = False,
    json_lines: JsonOption = False,
) -> None:
    """List the interviews that are not proven gone.

    The next to end comes first.

    Example: prequel interview list --watch
    """
    from scripts.interviews import listing

    session = Session(json_lines=json_lines)
    context = context_of(session)
    with suppress(KeyboardInterrupt) if watch else nullcontext():
        while True:
            rows, unreadable = listing.all_rows(context)
            if watch:
                session.console.clear()
            for problem in unreadable:
                session.console.warn(problem)
            session.console.result(rows, None if json_lines else _table(rows))
            if not watch:
                return
            time.sleep(_WATCH_SECONDS)


def _table(rows: list[dict[str, Any]]) -> "Table | str":
    if not rows:
        return "No interviews."
    from rich.markup import escape
    from rich.table import Table

    from scripts.interviews.listing import when

    colours = {"active": "green", "leaking": "red", "failed": "red", "destroying": "yellow", "creating": "cyan"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("id", "status", "slot", "ends", "candidate", "challenge"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    table.add_column("cost", justify="right")
    for row in rows:
        colour = colours.get(row["status"], "")
        status = f"[{colour}]{row['status']}[/]" if colour else str(row["status"])
        ends = when(row["remaining_seconds"])
        table.add_row(
            row["id"],
            status,
            "" if row["slot"] is None else str(row["slot"]),
            f"[red]{ends}[/]" if row["remaining_seconds"] < 0 else ends,
            escape(" ".join(row["candidate_name"].split())),
            row["challenge"],
            f"${row['cost_usd']:.2f}",
        )
    return table


@app.command(epilog=EXIT_CODES)
def show(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """Show one interview with its history.

    Of one that is gone it shows what remains: the history, and the proof.

    Example: prequel interview show demo
    """
    from scripts.interviews import listing
    from scripts.interviews.documents import plain
    from scripts.interviews.records import Tombstone

    session = Session(json_lines=json_lines)
    context = context_of(session)
    found = listing.find(context, id)
    intent = _intent(found)
    proof = found.proof if isinstance(found, Tombstone) else ()
    value = listing.row(intent, context.now()) | {
        "outputs": intent.outputs,
        "proof": proof,
        "history": plain(intent.history),
    }
    session.console.result(value, None if json_lines else _sheet(value))


def _intent(found: "Intent | Tombstone") -> "Intent":
    from scripts.interviews.records import Tombstone

    return found.intent if isinstance(found, Tombstone) else found


def _sheet(value: dict[str, Any]) -> str:
    from scripts.interviews.listing import when

    ended = value["status"] == "destroyed"
    fields = {
        "interview": f"{value['id']} ({value['status']})",
        "url": "" if ended else value["access_url"],
        "candidate": " ".join(value["candidate_name"].split()),
        "challenge": value["challenge"],
        "slot": value["slot"],
        "ends": "" if ended else f"{value['deadline']} ({when(value['remaining_seconds'])})",
        "cost": f"${value['cost_usd']:.2f} so far, ${value['hourly_price_usd']:.4f} an hour",
        "release": value["release_digest"][:12],
        "working": value["working"],
        "error": value["error"],
        "proof": ", ".join(value["proof"]),
    }
    lines = [f"{name:<10} {text}" for name, text in fields.items() if text not in ("", None)]
    steps = [
        f"  {step['at'][:19]}Z  {step['status']:<10} {step['actor']}  {step['note']}".rstrip()
        for step in value["history"]
    ]
    return "\n".join([*lines, "history", *steps])


@app.command(epilog=EXIT_CODES)
def destroy(id: IdArgument, *, json_lines: JsonOption = False, dry_run: DryRunOption = False) -> None:
    """Destroy an interview, and prove that nothing of it is left.

    Whatever its status is; nothing to destroy is no failure.

    Example: prequel interview destroy demo
    """
    from scripts.interviews import destroy as operation
    from scripts.interviews.request import checked_id

    session = Session(json_lines=json_lines)
    context = context_of(session)
    if dry_run:
        stored = context.intents.load(checked_id(id))
        what = f"interview {id} ({stored.intent.status})" if stored else f"whatever is left of {id}"
        session.console.result(
            {"id": id, "status": stored.intent.status if stored else None, "dry_run": True}, f"Would destroy {what}."
        )
        return
    session.console.say(f"Destroying interview {id} …")
    with _graceful(f"`prequel interview destroy {id}` goes on with it"):
        done = operation.destroy(context, id)
    value = {"id": id, "existed": done.existed, "proof": done.evidence, "seconds": round(done.seconds, 3)}
    text = f"Interview {id} is proven gone ({done.seconds:.1f} s)." if done.existed else f"There is no interview {id}."
    session.console.result(value, text)


@app.command(epilog=EXIT_CODES)
def recover(
    id: IdArgument,
    *,
    wait_seconds: WaitOption = 300,
    json_lines: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Bring what a killed run left behind to an end.

    The interview is active then, or proven gone. An active interview that lost resources or its state is repaired.

    Example: prequel interview recover demo
    """
    from scripts.interviews import listing
    from scripts.interviews import recover as operation

    session = Session(json_lines=json_lines)
    context = context_of(session)
    if dry_run:
        intent = _intent(listing.find(context, id))
        value = {"id": id, "status": intent.status, "dry_run": True}
        session.console.result(value, f"Would recover interview {id}, which is {intent.status}.")
        return
    session.console.say(f"Recovering interview {id} …")
    with _graceful(f"`prequel interview recover {id}` goes on with it"):
        done = operation.recover(context, id, wait_seconds=wait_seconds)
    value = {
        "id": id,
        "outcome": done.outcome,
        "did": done.did,
        "access_url": done.access_url,
        "password": done.password,
        "seconds": round(done.seconds, 3),
    }
    text = f"Interview {id} is {done.outcome} ({done.did}; {done.seconds:.1f} s)."
    if done.password:
        text += f"\nurl        {done.access_url}\npassword   {done.password}   (shown once)"
    session.console.result(value, text)


@app.command(epilog=EXIT_CODES)
def extend(
    id: IdArgument,
    by: Annotated[str, typer.Option(metavar="DURATION", help="Minutes, or a text such as 30m or 1h.")] = "30m",
    *,
    json_lines: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Give an interview more time, up to the maximum.

    Its tags keep the first deadline.

    Example: prequel interview extend demo --by 30m
    """
    from scripts.interviews import extend as operation
    from scripts.interviews.records import timestamp
    from scripts.interviews.request import parsed_duration

    session = Session(json_lines=json_lines)
    extended = operation.extend(context_of(session), id, parsed_duration(by), dry_run=dry_run)
    text = f"Interview {id} {'would end' if dry_run else 'now ends'} at {timestamp(extended.deadline)}."
    session.console.result({"id": id, "deadline": timestamp(extended.deadline), "dry_run": dry_run}, text)


@app.command(epilog=EXIT_CODES)
def logs(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """Print what terraform said in the last run for an interview.

    Of one that is gone too.

    Example: prequel interview logs demo
    """
    from scripts.interviews import listing

    session = Session(json_lines=json_lines)
    text = listing.last_log(context_of(session), id)
    session.console.result({"id": id, "log": text}, text or "Terraform has not run for it yet.")


@app.command(epilog=EXIT_CODES)
def drift(id: IdArgument, *, json_lines: JsonOption = False) -> None:
    """Name what was changed about an interview since it was created.

    Exit code 1 if anything was.

    Example: prequel interview drift demo
    """
    from dataclasses import asdict

    from scripts.interviews import drift as operation

    session = Session(json_lines=json_lines)
    found = operation.drift(context_of(session), id)
    lines = [
        f"{d.address}{'.' if d.attribute else ''}{d.attribute}: found {d.found!r}, ordered {d.ordered!r}" for d in found
    ]
    session.console.result([asdict(d) for d in found], "\n".join(lines) or "No drift.")
    if found:
        raise typer.Exit(1)


@app.command(epilog=EXIT_CODES)
def reap(
    *,
    parallel: Annotated[int, typer.Option(metavar="N", min=1, max=32, help="How many at once.")] = 4,
    remote: RemoteOption = False,
    json_lines: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make one pass: destroy what is overdue, and start what is due.

    It also ends what a dead run left, and frees orphan slots. What fails is tried again by the next pass, later and
    later. With --remote the reaper makes its pass now.

    Example: prequel interview reap
    """
    from dataclasses import asdict

    from scripts.interviews import reap as operation
    from scripts.interviews.remote import reap_remotely

    session = Session(json_lines=json_lines)
    if remote and not dry_run:
        value = reap_remotely(session.aws, session.configuration.settings.project_prefix)
        started = ", ".join(value.get("started", {})) or "none"
        session.console.result(value, f"builds started for: {started}; overdue: {len(value.get('overdue', []))}")
        return
    report = operation.reap(context_of(session), parallel=parallel, dry_run=dry_run)
    value = asdict(report)
    parts = [
        f"{name.replace('_', ' ')}: {', '.join(map(str, found))}"
        for name, found in value.items()
        if found and isinstance(found, list | tuple | dict | set)
    ]
    session.console.result(value, "; ".join(parts) or "Nothing to do.")
    if report.failed:
        raise typer.Exit(3 if report.leaking else 1)


def doctor(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what needs no decision.")] = False,
    json_lines: JsonOption = False,
) -> None:
    """Compare what is written down with what exists.

    Names every difference with the command that repairs it. Changes nothing without --fix. Exit code 1 when a
    difference remains.

    Example: prequel doctor
    """
    from scripts.interviews import doctor as operation

    session = Session(json_lines=json_lines)
    context = context_of(session)
    findings = operation.diagnose(context)
    if fix and findings:
        for finding, reason in operation.fix(context, findings).items():
            session.console.warn(f"{finding.kind} {finding.subject} is not mended: {reason}")
        findings = operation.diagnose(context)
    lines = [f"{f.kind}: {f.subject}: {f.detail}, ${f.hourly_price:.4f} an hour\n  {f.command}" for f in findings]
    session.console.result([f.document() for f in findings], "\n".join(lines) or "Everything is as it is written down.")
    if findings:
        raise typer.Exit(1)
