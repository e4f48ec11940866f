"""`prequel interview` destroy, forget, recover, extend and reap."""

import time
from typing import Annotated, Any

import typer

from scripts.cli.interview_options import IdArgument, IdsArgument, RemoteOption, WaitOption, for_each, graceful
from scripts.cli.session import DryRunOption, JsonOption, Session, YesOption
from scripts.console import counted


def destroy(
    ids: IdsArgument,
    *,
    discard_work: Annotated[
        bool, typer.Option("--discard-work", help="Do not wait for a last save; what is saved already is kept.")
    ] = False,
    yes: YesOption = False,
    json_lines: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Destroy interviews, and prove that nothing of them is left.

    Whatever their status is; asks before it ends a running one. Nothing to destroy is no failure. The candidate's work
    is saved once more, and kept.

    Example: prequel interview destroy demo
    """
    from scripts.errors import UnsavedWorkError
    from scripts.interviews import destroy as operation
    from scripts.interviews.documents import plain
    from scripts.interviews.running import running

    session = Session(json_lines=json_lines)
    unsaved: list[str] = []

    def look(id: str) -> tuple[dict[str, Any], str]:
        stored = session.context.intents.load(id)
        status = stored.intent.status if stored else None
        what = f"interview {id} ({status})" if status else f"whatever is left of {id}"
        return {"id": id, "status": status, "dry_run": True}, f"Would destroy {what}."

    def one(id: str) -> tuple[dict[str, Any], str]:
        session.console.say(f"Destroying interview {id} …")
        start = time.monotonic()
        with graceful(f"interview {id} may not be gone yet: `prequel interview destroy {id}` continues"):
            done = operation.destroy(session.context, id, discard_work=discard_work)
        seconds = time.monotonic() - start
        value = {"id": id, "existed": done.existed, "proof": done.evidence, "seconds": round(seconds, 3)}
        value["work"] = plain(done.work)
        if done.unsaved:
            unsaved.append(id)
        gone = f"Interview {id} is proven gone ({seconds:.1f} s)."
        return value, gone if done.existed else f"There is no interview {id}."

    def ask(ids: list[str]) -> None:
        lost = [what for one in ids if (what := running(session.context, one))]
        if lost and not session.confirm(f"{'; '.join(lost)}: destroy?"):
            raise typer.Abort

    for_each(session, ids, look if dry_run else one, leftovers=True, first=None if dry_run or yes else ask)
    if unsaved:
        raise typer.Exit(UnsavedWorkError.exit_code)


def forget(
    id: IdArgument, *, yes: YesOption = False, dry_run: DryRunOption = False, json_lines: JsonOption = False
) -> None:
    """Delete what remains of an interview that is over.

    The candidate's name is in it: history, log, state and inputs, in every version; nothing can bring them back. Takes
    s3:ListBucketVersions and s3:DeleteObjectVersion on the bucket. docs/privacy.md says what is kept elsewhere.

    Example: prequel interview forget demo --dry-run
    """
    from scripts.interviews import forget as operation
    from scripts.interviews.lookup import full_id

    session = Session(json_lines=json_lines)
    whole = full_id(session.context, id, ended=True)
    keys = operation.remains(session.context, whole)
    if not dry_run:
        if keys and not yes and not session.confirm(f"Delete {counted(len(keys), 'object')} of {whole} for good?"):
            raise typer.Abort
        keys = operation.forget(session.context, whole)
    text = f"{counted(len(keys), 'object')} of interview {whole} {'would be' if dry_run else 'are'} deleted for good."
    session.console.result({"id": whole, "deleted": keys, "dry_run": dry_run}, text)


def recover(
    id: IdArgument, *, wait_seconds: WaitOption = 600, json_lines: JsonOption = False, dry_run: DryRunOption = False
) -> None:
    """Finish what a killed run left behind.

    The interview is active then, or proven gone. An active interview that lost resources or its state is repaired.

    Example: prequel interview recover demo
    """
    from scripts.interviews import recover as operation
    from scripts.interviews.lookup import full_id, last_record

    session = Session(json_lines=json_lines)
    whole = full_id(session.context, id)
    if dry_run:
        status = last_record(session.context, whole)[0].status
        value = {"id": whole, "status": status, "dry_run": True}
        session.console.result(value, f"Would recover interview {whole}, which is {status}.")
        return
    start = time.monotonic()
    session.console.say(f"Recovering interview {whole} …")
    with graceful(f"`prequel interview recover {whole}` continues"):
        done = operation.recover(session.context, whole, wait_seconds=wait_seconds)
    seconds = time.monotonic() - start
    text = f"Interview {whole} is {done.outcome} ({done.did}; {seconds:.1f} s)."
    if done.password:
        text += f"\nurl        {done.access_url}\npassword   {done.password}   (shown once)"
    session.console.result(done.document() | {"seconds": round(seconds, 3)}, text)


def extend(
    ids: IdsArgument,
    by: Annotated[str, typer.Option(metavar="DURATION", help="Minutes, or a text such as 30m or 1h.")] = "30m",
    *,
    json_lines: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Give interviews more time, up to the maximum.

    Their tags keep the first deadline.

    Example: prequel interview extend demo --by 30m
    """
    from scripts.interviews import extend as operation
    from scripts.interviews.records import timestamp
    from scripts.interviews.request import parsed_duration
    from scripts.interviews.times import shown_time

    session = Session(json_lines=json_lines)
    more = parsed_duration(by)

    def one(id: str) -> tuple[dict[str, Any], str]:
        deadline = operation.extend(session.context, id, more, dry_run=dry_run).deadline
        text = f"Interview {id} {'would end' if dry_run else 'now ends'} at {shown_time(deadline)}."
        return {"id": id, "deadline": timestamp(deadline), "dry_run": dry_run}, text

    for_each(session, ids, one)


def reap(
    *,
    parallel: Annotated[int, typer.Option(metavar="N", min=1, max=32, help="How many at once.")] = 4,
    remote: RemoteOption = False,
    json_lines: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make one pass: destroy what is overdue, and start what is due.

    It also finishes what a dead run left, and frees orphan slots. What fails is retried with back-off by later passes.
    With --remote the reaper makes its pass now.

    Example: prequel interview reap
    """
    from dataclasses import asdict

    from scripts.cli.interview_views import reap_summary
    from scripts.interviews import reap as operation
    from scripts.interviews.remote import reap_remotely

    session = Session(json_lines=json_lines)
    if remote and not dry_run:
        value = reap_remotely(session.aws, session.configuration.settings.project_prefix)
        started = ", ".join(value.get("started", {})) or "none"
        session.console.result(value, f"builds started for: {started}; overdue: {len(value.get('overdue', []))}")
        return
    report = operation.reap(session.context, parallel=parallel, dry_run=dry_run)
    session.console.result(asdict(report), reap_summary(asdict(report)))
    if report.exit_code:
        raise typer.Exit(report.exit_code)
