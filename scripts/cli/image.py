"""`prequel image`: building the images of our own repository, and which of them interviews run."""

from typing import TYPE_CHECKING, Annotated

import typer

from scripts.cli.session import DryRunOption, JsonOption, Session, command_group
from scripts.cli.tables import Column, Grid, age

if TYPE_CHECKING:
    from scripts.images.catalog import Catalog, Image

app = command_group("Build, look at and choose the images that interviews run.")

TagArgument = Annotated[str, typer.Argument(metavar="TAG", help="A tag of the repository, without -soci.")]
ImageArgument = Annotated[
    str, typer.Argument(metavar="IMAGE", help="A public image, such as docker.io/codercom/code-server:4.99.4.")
]
TagOption = Annotated[
    str, typer.Option("--tag", metavar="TAG", help="The tag in the repository.", show_default="the image's own")
]

VariantOption = Annotated[
    str, typer.Option("--variant", metavar="NAME", help="Build image/variants/NAME.Dockerfile on top of the image.")
]
BuildTagOption = Annotated[
    str, typer.Option("--tag", metavar="TAG", help="The tag in the repository.", show_default="a hash of image/")
]
RebuildOption = Annotated[
    bool, typer.Option("--rebuild", help="Build what is built already, such as for the packages' newest versions.")
]

_MIB = 1024 * 1024


@app.command()
def build(
    *,
    variant: VariantOption = "",
    tag: BuildTagOption = "",
    rebuild: RebuildOption = False,
    dry_run: DryRunOption = False,
    json_lines: JsonOption = False,
) -> None:
    """Build the folder image/ on AWS, and push it to the repository.

    CodeBuild builds it; no Docker is needed here. Waits until the image is indexed, and current unless it is a
    variant, which only interviews and challenges that name it run.

    Examples: prequel image build; prequel image build --variant go
    """
    from scripts.images.build import ImageBuilder
    from scripts.images.source import ImageSource
    from scripts.project import PROJECT

    session = Session(json_lines=json_lines)
    settings = session.configuration.settings
    source = ImageSource.of(PROJECT / "image")
    builder = ImageBuilder(
        session.aws,
        source,
        session.console,
        project_prefix=settings.project_prefix,
        indexing=settings.soci_indexing,
    )
    wanted = builder.wanted(variant=variant, tag=tag, rebuild=rebuild)
    if dry_run:
        text = "is already built" if wanted.is_built else f"would be built from {source.files} files"
        session.console.result({"tag": wanted.tag, "would_build": not wanted.is_built}, f"{wanted.tag} {text}")
        return
    built = builder.build(wanted)
    if wanted.is_built:
        session.console.say(f"{wanted.tag} is already built; --rebuild builds it again, with the newest packages")
    if variant:
        session.console.say(f'challenges with image = "{variant}" get it, and interviews with --image-tag {variant}')
    elif built.image.current or not settings.soci_indexing:
        session.console.say("run `prequel templates publish`, so that new interviews get it")
    else:
        session.console.say(f"another image is current; choose this one with `prequel image promote {wanted.tag}`")
    document = built.document()
    session.console.result(document, document["image"])


@app.command()
def status(*, json_lines: JsonOption = False) -> None:
    """Show each image of the stack's own repository.

    Its tag, whether it is indexed and current, its size and its age, and the vulnerabilities that ECR's scan found.

    Example: prequel image status
    """
    from dataclasses import asdict

    session = Session(json_lines=json_lines)
    catalog = _catalog(session)
    images = catalog.images()
    findings = [catalog.findings(image) for image in images]
    if not session.configuration.settings.soci_indexing:
        session.console.warn("soci_indexing is false: no image is indexed, and none is made current by itself")
    session.console.result(
        [
            asdict(image) | {"pushed_at": image.pushed_at.isoformat(), "findings": found}
            for image, found in zip(images, findings, strict=True)
        ],
        _listing(images, findings).fitted
        if images
        else f"{catalog.repository.name} has no image; build one with `prequel image build`",
    )


@app.command()
def promote(tag: TagArgument, *, dry_run: DryRunOption = False, json_lines: JsonOption = False) -> None:
    """Make an indexed image the current one.

    The next release names it, until a newer image is indexed.

    Examples: prequel image promote 4.99.4 --dry-run; prequel image promote 4.99.4
    """
    session = Session(json_lines=json_lines)
    image = _catalog(session).promote(tag, dry_run=dry_run)
    if not dry_run:
        session.console.say("run `prequel templates publish`, so that new interviews get it")
    session.console.result({"would_be_current" if dry_run else "current": image}, image)


@app.command()
def mirror(
    image: ImageArgument, *, tag: TagOption = "", dry_run: DryRunOption = False, json_lines: JsonOption = False
) -> None:
    """Copy a public code-server image into the repository.

    It is scanned and indexed there. Needs skopeo.

    Examples: prequel image mirror docker.io/codercom/code-server:4.99.4 --dry-run
    """
    from scripts.images.mirror import destination, mirror

    session = Session(json_lines=json_lines)
    settings = session.configuration.settings
    target = destination(_catalog(session), image, tag=tag)
    if not dry_run:
        with session.console.step(f"Copying {image}"):
            mirror(session.aws, image, target, architecture=settings.cpu_architecture)
        if settings.soci_indexing:
            session.console.say("it is indexed within minutes: prequel image status")
    session.console.result({"would_copy" if dry_run else "copied": target}, target)


def _catalog(session: Session) -> "Catalog":
    from scripts.images.catalog import Catalog

    return Catalog(session.aws, session.configuration.settings.project_prefix)


_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED")
"""https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanFinding.html"""


def _listing(images: list["Image"], findings: list[dict[str, int] | None]) -> Grid:
    """The images for people, with ECR's ``findings`` in each; ``*`` marks the current one."""
    columns = [Column(" "), Column("tag"), Column("indexed", 1), Column("size", 3, right=True), Column("age", 2)]
    columns.append(Column("findings", 4))
    rows = [
        {
            " ": "*" if image.current else "",
            "tag": image.tag,
            "indexed": image.index.removeprefix("sha256:")[:12] or "no",
            "size": f"{image.size / _MIB:.0f} MiB",
            "age": age(image.pushed_at),
            "findings": _counted(found),
        }
        for image, found in zip(images, findings, strict=True)
    ]
    return Grid(columns, rows)


def _counted(findings: dict[str, int] | None) -> str:
    if findings is None:
        return "not scanned"
    found = (f"{findings[severity]} {severity.lower()}" for severity in _SEVERITIES if findings.get(severity))
    return ", ".join(found) or "none"
