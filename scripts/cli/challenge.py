"""`prequel challenge`: what candidates are given to work on."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.cli.challenge_try import try_
from scripts.cli.session import DryRunOption, JsonOption, Session, YesOption, command_group
from scripts.cli.tables import Column, Grid
from scripts.console import Console, counted
from scripts.errors import PrequelError

if TYPE_CHECKING:
    from scripts.challenges.catalog import ChallengeBucket
    from scripts.challenges.definition import Definition
    from scripts.challenges.publish import ChallengeResult
    from scripts.challenges.source import Challenge

app = command_group("Try, publish, list and remove challenges.")
app.command("try")(try_)

DirectoryArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The directory with {kind}/{name}/README.md.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The challenge, such as python/rate-limiter.")]
DeleteOption = Annotated[bool, typer.Option("--delete", help="Also remove published challenges that are not in DIR.")]


@app.command()
def publish(
    directory: DirectoryArgument = Path("challenge"),
    *,
    delete: DeleteOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    json_lines: JsonOption = False,
) -> None:
    """Publish every challenge in DIR that changed. Unchanged ones are not written again.

    Dot files, executable bits, empty directories and links within a challenge arrive as they are. Caches, such as
    .git, __pycache__ and node_modules, are left out and named. Refused are files over 5 MiB, challenges over 50 MiB,
    links that leave the challenge, pipes, sockets and devices, files that seem to hold a secret, and a challenge.toml
    with an error; then nothing is published.

    Example: prequel challenge publish --dry-run
    """
    from scripts.challenges.source import read_challenges
    from scripts.releases.store import ReleaseStore

    session = Session(json_lines=json_lines)
    challenges = read_challenges(directory)
    bucket = _bucket(session)
    bucket.check_usable()
    gone = sorted(set(bucket.names()) - {challenge.name for challenge in challenges}) if delete else []
    question = f"Remove {', '.join(gone)}, which {directory} does not have?"
    if gone and not dry_run and not yes and not session.confirm(question):
        raise typer.Abort
    left_out = {challenge.name: challenge.tree.left_out for challenge in challenges if challenge.tree.left_out}
    for name, paths in left_out.items():
        session.console.say(f"  {name}: left out {', '.join(paths)}")
    outcomes, problems = _publish_all(session.console, bucket, challenges, dry_run=dry_run)
    removed: list[str] = []
    for name in gone:
        try:
            _remove(session.console, bucket, name, dry_run=dry_run)
            removed.append(name)
        except PrequelError as error:
            problems.append(str(error))
    if ReleaseStore(session.aws, session.bucket).look().pointer is None:
        session.console.warn("no templates are published yet; run `prequel templates publish`")
    session.console.result(
        {
            "challenges": [asdict(outcome) for outcome in outcomes],
            "removed": removed,
            "left_out": left_out,
            "dry_run": dry_run,
        },
        _summary(outcomes, removed, dry_run=dry_run),
    )
    if problems:
        raise PrequelError("\n".join(problems))


@app.command("list")
def list_(*, json_lines: JsonOption = False) -> None:
    """List the published challenges.

    Example: prequel challenge list
    """
    session = Session(json_lines=json_lines)
    found = _bucket(session).manifests()
    columns = [
        *(Column("challenge"), Column("title", 1, folds=True), Column("version", 3), Column("published", 2)),
        *(Column("files", 5, right=True), Column("size", 4, right=True)),
    ]
    rows = [
        {
            "challenge": manifest.name,
            "title": "(being removed)" if manifest.retired_at else manifest.title,
            "version": manifest.digest[:12],
            "published": f"{manifest.published_at:%Y-%m-%d %H:%M} UTC",
            "files": str(len(manifest.files)),
            "size": _size(manifest.size),
        }
        for manifest in found
    ]
    session.console.result(
        [manifest.model_dump(mode="json", exclude={"files", "links", "directories"}) for manifest in found],
        Grid(columns, rows).fitted if rows else "no challenge is published; publish with `prequel challenge publish`",
    )


@app.command()
def show(name: NameArgument, *, json_lines: JsonOption = False) -> None:
    """Show one challenge, and the interviews that use it.

    Its files too, and who published it.

    Example: prequel challenge show python/rate-limiter
    """
    session = Session(json_lines=json_lines)
    bucket = _bucket(session)
    manifest, using = bucket.find(name), bucket.users(name)
    files = [
        f"  {file.sha256[:12]}  {file.mode}  {_size(file.size):>9}  {path}" for path, file in manifest.files.items()
    ]
    files += [f"  {'link':<27}  {path} -> {target}" for path, target in manifest.links.items()]
    files += [f"  {'empty directory':<27}  {path}" for path in manifest.directories]
    needs = _needs(manifest.definition)
    session.console.result(
        manifest.model_dump(mode="json") | {"path": manifest.path, "interviews": using},
        "\n".join(
            [
                f"{manifest.name}: {manifest.title}",
                f"version     {manifest.path}",
                f"published   {manifest.published_at:%Y-%m-%d %H:%M} UTC by {manifest.published_by}",
                f"interviews  {', '.join(using) or 'none'}",
                *(f"{name:<11} {text}" for name, text in needs.items() if text),
                f"files       {len(manifest.files)}, {_size(manifest.size)}",
                *files,
            ]
        ),
    )


@app.command()
def remove(
    name: NameArgument, *, dry_run: DryRunOption = False, yes: YesOption = False, json_lines: JsonOption = False
) -> None:
    """Remove a challenge with all its versions.

    Refused while an interview uses it.

    Example: prequel challenge remove python/rate-limiter
    """
    from scripts.challenges.remove import removable

    session = Session(json_lines=json_lines)
    bucket = _bucket(session)
    bucket.check_usable()
    removable(bucket, name)
    if not dry_run and not yes and not session.confirm(f"Remove {name} with all its versions?"):
        raise typer.Abort
    _remove(session.console, bucket, name, dry_run=dry_run)
    session.console.result({"removed": [name], "dry_run": dry_run})


def _needs(definition: "Definition") -> dict[str, str]:
    """What the challenge asks for, in words."""
    return {
        "test": definition.test,
        "setup": definition.setup,
        "tools": ", ".join(definition.tools),
        "extensions": ", ".join(definition.extensions),
        "size": str(definition.size),
        "image": definition.image,
    }


def _bucket(session: Session) -> "ChallengeBucket":
    from scripts.challenges.catalog import ChallengeBucket

    return ChallengeBucket(session.aws, session.bucket)


def _publish_all(
    console: Console, bucket: "ChallengeBucket", challenges: "list[Challenge]", *, dry_run: bool
) -> "tuple[list[ChallengeResult], list[str]]":
    """What became of each challenge, by name, and a line for each that failed."""
    from scripts.challenges.publish import publish_all

    console.say(f"{counted(len(challenges), 'challenge')}, {_size(sum(challenge.size for challenge in challenges))} …")
    outcomes: list[ChallengeResult] = []
    problems: list[str] = []
    start = time.monotonic()
    for found in publish_all(bucket, challenges, dry_run=dry_run):
        if isinstance(found, PrequelError):
            problems.append(str(found))
            continue
        outcomes.append(found)
        text = f"{found.name} is {found.status}"
        if found.status != "unchanged":
            would = "would be " if dry_run else ""
            text += f": {found.written} objects {would}written, {found.deleted} {would}deleted"
        console.done(text, time.monotonic() - start, **asdict(found))
    return sorted(outcomes, key=lambda outcome: outcome.name), sorted(problems)


def _remove(console: Console, bucket: "ChallengeBucket", name: str, *, dry_run: bool) -> None:
    from scripts.challenges.remove import removable, remove

    start = time.monotonic()
    if dry_run:
        removable(bucket, name)
        console.say(f"  {name} would be removed")
    else:
        console.done(f"{name} is removed: {remove(bucket, name)} objects deleted", time.monotonic() - start)


def _summary(outcomes: "list[ChallengeResult]", removed: list[str], *, dry_run: bool) -> str:
    changed = [outcome for outcome in outcomes if outcome.status != "unchanged"]
    if not changed and not removed:
        return f"{counted(len(outcomes), 'challenge')} unchanged, nothing written"
    would = "would be " if dry_run else ""
    return f"{counted(len(changed), 'challenge')} {would}published, {len(outcomes) - len(changed)} unchanged" + (
        f", {len(removed)} {would}removed" if removed else ""
    )


def _size(size: int) -> str:
    return f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
