"""`prequel templates`: publish the interview templates as releases, look at them, and go back."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.cli.session import DryRunOption, JsonOption, Session, YesOption, command_group
from scripts.cli.tables import Column, Grid, age
from scripts.console import folded
from scripts.project import PROJECT

if TYPE_CHECKING:
    from scripts.releases.archive import CatalogueEntry
    from scripts.releases.publishing import Publisher
    from scripts.releases.store import ReleaseStore

app = command_group("Publish the interview templates, look at them, and go back.")

OutputsOption = Annotated[
    Path | None,
    typer.Option(
        "--outputs-file",
        metavar="FILE",
        help="Read the shared stack's outputs from this file, as `terraform output -json` writes it.",
        show_default="the shared stack's state",
    ),
]
TemplatesOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The template set.", show_default="instance_templates")
]
SkipOption = Annotated[
    bool, typer.Option("--skip-rehearsal", help="Do not rehearse on an embedded AWS; the release says so.")
]
OldArgument = Annotated[str, typer.Argument(metavar="OLD", help="A release; its first 7 characters are enough.")]
NewArgument = Annotated[str, typer.Argument(metavar="NEW", help="A release; its first 7 characters are enough.")]
OptionalDigest = Annotated[str, typer.Argument(metavar="DIGEST", help="A release; its first 7 characters are enough.")]


@app.command()
def publish(
    *,
    outputs_file: OutputsOption = None,
    templates: TemplatesOption = None,
    yes: YesOption = False,
    skip_rehearsal: SkipOption = False,
    dry_run: DryRunOption = False,
    json_lines: JsonOption = False,
) -> None:
    """Check, rehearse and publish the template set.

    It is published with the shared stack's values, as a release that becomes the current one. Nothing is switched
    unless every check has passed; publishing what is current already writes nothing.

    Examples: prequel templates publish --dry-run; prequel templates publish --yes --outputs-file outputs.json
    """
    from dataclasses import asdict

    from scripts.errors import ReleaseError
    from scripts.images.catalog import Catalog
    from scripts.images.choice import with_existing_image
    from scripts.releases.release import Limits, Release
    from scripts.shared_stack.values import SharedValues, TemplateVariables, check_deployment, read_outputs

    session = Session(json_lines=json_lines)
    settings = session.configuration.settings
    directory = templates or PROJECT / "instance_templates"
    variables = directory / "variables.tf"
    if not variables.is_file():
        raise ReleaseError(f"{directory} has no variables.tf; give the template set with --templates")
    outputs = read_outputs(session.configuration, session.aws, outputs_file)
    values = SharedValues.of(outputs, TemplateVariables(variables.read_text(encoding="utf-8")))
    check_deployment(values.template, _deployment(session))
    catalog = Catalog(session.aws, settings.project_prefix)
    template = with_existing_image(values.template, catalog, session.console.warn, indexing=settings.soci_indexing)
    release = Release.assemble(directory, template, Limits.of(values.limits))
    publisher = _publisher(session, yes=yes, skip_rehearsal=skip_rehearsal, dry_run=dry_run)
    published = publisher.publish(release, directory)
    session.console.result(asdict(published), published.digest)


@app.command("list")
def list_releases(*, json_lines: JsonOption = False) -> None:
    """List the releases, with the interviews that use them.

    The newest comes first.

    Example: prequel templates list --json
    """
    from scripts.errors import PrequelError
    from scripts.releases.store import NO_RELEASE

    session = Session(json_lines=json_lines)
    store = _store(session)
    entries = store.catalogue()
    current = store.look()
    interviews: dict[str, list[str]] | None = None
    try:
        interviews = store.users()
    except PrequelError as error:
        session.console.warn(f"cannot list the interviews that use them: {error}")
    if current.altered:
        session.console.warn(current.altered)
    digest = current.pointer.digest if current.pointer else None
    rows = [_row(entry, digest, interviews) for entry in entries]
    session.console.result(rows, _listing(rows).fitted if rows else NO_RELEASE)


@app.command()
def show(digest: OptionalDigest = "", *, json_lines: JsonOption = False) -> None:
    """Show one release, the current one by default.

    Its origin, the account and region that it is for, its checks and its files.

    Examples: prequel templates show; prequel templates show 1b2a79c
    """
    from scripts.errors import ReleaseError
    from scripts.releases.release import Pointer, ReleaseManifest
    from scripts.releases.store import NO_RELEASE

    session = Session(json_lines=json_lines)
    store = _store(session)
    found: ReleaseManifest | Pointer | None = store.manifest(store.resolve(digest)) if digest else store.current()
    if found is None:
        raise ReleaseError(NO_RELEASE)
    document = found.model_dump(mode="json")
    files = {
        name: f"{file['size']:>6} bytes, SHA-256 {file['sha256'][:12]}…" for name, file in document["files"].items()
    }
    session.console.result(document, lambda columns: "\n".join(_lines(document | {"files": files}, columns)))


@app.command()
def diff(old: OldArgument, new: NewArgument, *, json_lines: JsonOption = False) -> None:
    """Show how two releases differ, file by file.

    Example: prequel templates diff 1b2a79c 9d03f44
    """
    from scripts.releases.difference import changed_files, coloured, difference

    session = Session(json_lines=json_lines)
    store = _store(session)
    before, after = store.read(store.resolve(old))[1], store.read(store.resolve(new))[1]
    text = difference(before, after)
    session.console.result(
        {"old": before.digest, "new": after.digest, "changed": changed_files(before, after), "diff": text},
        coloured(text) if text else "no difference",
    )


@app.command()
def rollback(
    digest: OptionalDigest = "",
    *,
    yes: YesOption = False,
    skip_rehearsal: SkipOption = False,
    dry_run: DryRunOption = False,
    json_lines: JsonOption = False,
) -> None:
    """Make an earlier release's templates and images current again.

    The previous one's by default. The shared stack's other values and the limits stay as they are; what was never
    rehearsed with them is rehearsed.

    Examples: prequel templates rollback; prequel templates rollback 1b2a79c --yes
    """
    from dataclasses import asdict

    session = Session(json_lines=json_lines)
    publisher = _publisher(session, yes=yes, skip_rehearsal=skip_rehearsal, dry_run=dry_run)
    published = publisher.roll_back(publisher.store.resolve(digest) if digest else None, _deployment(session))
    session.console.result(asdict(published), published.digest)


@app.command()
def verify(digest: OptionalDigest = "", *, dry_run: DryRunOption = False, json_lines: JsonOption = False) -> None:
    """Check every stored byte against its hash.

    Names each file that is missing or altered. Plain copies in instance/ that a cut-off switch left behind are written
    again; publishing the same set again restores the rest. Exit code 1 when a problem remains, or there is no release.

    Examples: prequel templates verify; prequel templates verify --dry-run
    """
    from scripts.releases.verification import verify

    session = Session(json_lines=json_lines)
    store = _store(session)
    with session.console.step("Reading every stored byte"):
        findings = verify(store, store.resolve(digest) if digest else None, dry_run=dry_run)
    for key in findings.repaired:
        session.console.warn(f"{key} was not that of the current release; it is now")
    for problem in findings.problems:
        session.console.error(problem)
    count = f"{len(findings.problems) or 'no'} problem{'' if len(findings.problems) == 1 else 's'} found"
    result = {"checked": findings.checked, "problems": findings.problems, "mended": findings.repaired}
    session.console.result(result, f"{findings.checked} objects read, {count}")
    if findings.problems:
        raise typer.Exit(1)


def _store(session: Session) -> "ReleaseStore":
    from scripts.releases.store import ReleaseStore

    return ReleaseStore(session.aws, session.bucket)


def _publisher(session: Session, *, yes: bool, skip_rehearsal: bool, dry_run: bool) -> "Publisher":
    from scripts.releases.publishing import Publisher

    def ask(question: str) -> bool:
        return yes or session.confirm(question)

    return Publisher(_store(session), session.console, ask, rehearse=not skip_rehearsal, dry_run=dry_run)


def _deployment(session: Session) -> dict[str, str]:
    settings = session.configuration.settings.model_dump(include={"aws_region", "environment"})
    return {"aws_account_id": session.aws.account_id, **settings}


def _row(entry: "CatalogueEntry", current: str | None, interviews: dict[str, list[str]] | None) -> dict[str, Any]:
    manifest = entry.manifest
    return {
        "digest": entry.digest,
        "current": entry.digest == current,
        "published_at": entry.published_at.isoformat(),
        "published_by": manifest.origin.published_by if manifest else None,
        "git_commit": manifest.origin.git_commit if manifest else None,
        "git_dirty": manifest.origin.git_dirty if manifest else None,
        "rehearsal": manifest.rehearsal.status if manifest else None,
        "interviews": interviews.get(entry.digest, []) if interviews is not None else None,
        "problem": entry.problem,
    }


def _listing(rows: list[dict[str, Any]]) -> Grid:
    """The rows for people; ``*`` marks the current release."""
    columns = [
        *(Column(" "), Column("release"), Column("age", 1), Column("interviews", 2, right=True)),
        *(Column("rehearsal", 3), Column("commit", 4), Column("by", 5), Column("problem", folds=True)),
    ]
    return Grid(
        columns,
        [
            {
                " ": "*" if row["current"] else "",
                "release": row["digest"][:12],
                "age": age(datetime.fromisoformat(row["published_at"])),
                "interviews": "?" if row["interviews"] is None else str(len(row["interviews"])),
                "rehearsal": row["rehearsal"] or "?",
                "commit": f"{(row['git_commit'] or '-')[:8]}{'+' if row['git_dirty'] else ''}",
                "by": str(row["published_by"] or "?").rsplit(":", 1)[-1],
                "problem": row["problem"],
            }
            for row in rows
        ],
    )


def _lines(document: dict[str, Any], columns: int, indent: str = "") -> list[str]:
    """A document as aligned text of ``columns``, nested by two spaces; what is empty is left out."""
    width = max((len(key) for key in document), default=0)
    lines = []
    for key, value in document.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}", *_lines(value, columns, f"{indent}  ")]
        elif value not in (None, ""):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(folded(f"{indent}{key:<{width}}  {text}", columns, len(indent) + width + 2))
    return lines
