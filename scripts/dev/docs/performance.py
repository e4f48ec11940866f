"""A model of the time until an interview is ready on AWS, which the embedded AWS cannot measure.

Settings are read from the template set. Facts about AWS have a source, or are marked as assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from scripts.costs.resources import interview_resources
from scripts.interviews.readiness import LONGEST_PAUSE

EDITOR_SIZES_MB = (100, 250, 500, 1000)
"""Compressed sizes of an image; a range, because the image is configurable."""

PREVIOUS_EDITOR_MB = 250
"""Compressed size of the public code-server image that release 0.2 ran by default."""


@dataclass(frozen=True)
class Fact:
    """One number of the model, with its unit, a description of its source, and the source's page if there is one."""

    value: float
    unit: str
    source: str
    url: str = ""


_AWS_DOCS = "https://docs.aws.amazon.com"
_PULL_BENCHMARK = "https://elasticscale.com/blog/reduce-aws-fargate-pull-times-with-soci"

FACTS: dict[str, Fact] = {
    "terraform": Fact(
        3.3, "s", "measured on the embedded AWS, November 2026 (apply of the five resources; AWS's own API adds to it)"
    ),
    "benchmark_start": Fact(
        57, "s", "from a task's creation to its start in a private subnet, mean of ten, April 2024", _PULL_BENCHMARK
    ),
    "benchmark_image": Fact(413, "MB", "the image of that benchmark", _PULL_BENCHMARK),
    "pull_share": Fact(
        0.76,
        "of a start",
        "share of a container's start that downloading the image takes, from the study that AWS cites",
        "https://aws.amazon.com/blogs/aws/aws-fargate-enables-faster-container-startup-using-seekable-oci/",
    ),
    "image": Fact(
        254, "MB", "measured, November 2026, code-server 4.139.1 (`python -m scripts.dev.bench.image`), compressed"
    ),
    "previous_loader_image": Fact(150, "MB", "assumed: the AWS CLI's public image, compressed, until release 0.2"),
    "soci_saves": Fact(
        0.60,
        "of a task's start",
        'AWS at re:Invent 2023, CON307, "up to"; its demonstration saved 0.74',
        "https://awsrelearn.com/aws-reinvent-2023/reducing-aws-fargate-startup-times-by-lazy-loading-container-images-con307",
    ),
    "soci_saves_cautiously": Fact(
        0.30, "of a task's start", "assumed: half of AWS's maximum, for an image that reads more data while it starts"
    ),
    "challenge": Fact(
        1.0, "s", "measured on an idle container engine, the median of 5 runs, 0.7 at least: prequel-load, without S3"
    ),
    "code_server": Fact(
        0.9, "s", "measured on an idle container engine with 1 vCPU and 2 GB, the median of 5 runs: start to /healthz"
    ),
    "previous_start": Fact(6, "s", "assumed: the AWS CLI copies the challenge, and code-server starts, 3 s each"),
    "record": Fact(
        60,
        "s",
        'until all of Route 53\'s servers know a record, "generally"',
        f"{_AWS_DOCS}/Route53/latest/DeveloperGuide/resource-record-sets-editing.html",
    ),
    "first_checks": Fact(
        1,
        "check",
        "a new target needs one passed check, regardless of the healthy threshold",
        f"{_AWS_DOCS}/elasticloadbalancing/latest/application/target-group-health-checks.html",
    ),
}
"""Numbers that do not depend on the settings."""


@dataclass(frozen=True)
class StartSettings:
    """Settings of the template set, in seconds and numbers of checks."""

    interval: float
    healthy_threshold: int
    deregistration_delay: float
    grace_period: float


def settings_of_templates() -> StartSettings:
    """The settings in ``instance_templates/``."""
    bodies: Mapping[str, Mapping[str, Any]] = {r.type: r.body for r in interview_resources({})}
    target = bodies["aws_lb_target_group"]
    (check,) = target["health_check"]
    return StartSettings(
        interval=float(check["interval"]),
        healthy_threshold=int(check["healthy_threshold"]),
        deregistration_delay=float(target["deregistration_delay"]),
        grace_period=float(bodies["aws_ecs_service"]["health_check_grace_period_seconds"]),
    )


@dataclass(frozen=True)
class Ready:
    """Duration of each step in seconds. ``record`` runs in parallel, because the service does not wait for it.

    ``look`` is the longest time until the command polls ECS again.
    """

    terraform: float
    placement: float
    pull: float
    start: float
    health: float
    record: float
    look: float

    @property
    def usable(self) -> float:
        """Seconds from the command to a healthy target with a DNS record."""
        task = self.placement + self.pull + self.start + self.health
        return self.terraform + max(task, self.record)

    @property
    def total(self) -> float:
        """Seconds until the command detects it, without the time that ECS takes to complete the deployment."""
        return self.usable + self.look


def ready(
    settings: StartSettings,
    *,
    editor_mb: float,
    loader_mb: float = 0.0,
    saved: float = 0.0,
    wildcard: bool = True,
    start_seconds: float | None = None,
) -> Ready:
    """Applies the model to the image of a task, and to that of a loader of its own if it has one.

    ``saved`` is the share of a task's start that SOCI saves; ``start_seconds`` replaces the measured time from the
    start of the first container to the first answer of the editor.

    A start consists of placement and pull. The benchmark's start is divided by the share of the download. This gives a
    placement that is the same for every image, and a rate for the pull, including unpacking. SOCI only reduces the pull
    of the task's own image, because a loader's image has no index.
    """
    start, share = FACTS["benchmark_start"].value, FACTS["pull_share"].value
    placement = start * (1 - share)
    loader, editor = (mb / FACTS["benchmark_image"].value * start * share for mb in (loader_mb, editor_mb))
    return Ready(
        terraform=FACTS["terraform"].value,
        placement=placement,
        pull=loader + max(editor - saved * (placement + editor), 0.0),
        start=FACTS["challenge"].value + FACTS["code_server"].value if start_seconds is None else start_seconds,
        health=FACTS["first_checks"].value * settings.interval,
        record=0.0 if wildcard else FACTS["record"].value,
        look=LONGEST_PAUSE,
    )


def tables() -> str:
    """The generated part of the page in Markdown."""
    settings, shown = settings_of_templates(), FACTS["image"].value
    most, least = FACTS["soci_saves"].value, FACTS["soci_saves_cautiously"].value

    of = partial(ready, settings)
    steps, indexed = (of(editor_mb=shown, saved=saved) for saved in (0.0, least))
    named, named_indexed = (of(editor_mb=shown, saved=saved, wildcard=False) for saved in (0.0, least))
    slower = ready(replace(settings, interval=30.0), editor_mb=shown)
    recovered = settings.healthy_threshold * settings.interval
    rows = [
        ("Terraform", steps.terraform, indexed.terraform),
        ("placement and network interface", steps.placement, indexed.placement),
        ("pull and unpack the image", steps.pull, indexed.pull),
        ("challenge delivered, code-server answers", steps.start, indexed.start),
        ("health check, at most", steps.health, indexed.health),
        ("DNS, under the wildcard", steps.record, indexed.record),
        ("**the candidate can work**", steps.usable, indexed.usable),
        ("the command asks ECS again, at most", steps.look, indexed.look),
        ("**the command ends**", steps.total, indexed.total),
    ]
    shares = (0.0, least, most)
    by_step = (f"| {what} | {without:.0f} | {with_:.0f} |" for what, without, with_ in rows)
    by_size = (
        f"| {size} | {' | '.join(f'{of(editor_mb=size, saved=saved).usable:.0f}' for saved in shares)} |"
        for size in EDITOR_SIZES_MB
    )
    sources = (
        f"| {name.replace('_', ' ')} | {fact.value:g} {fact.unit} | {_linked(fact)} |" for name, fact in FACTS.items()
    )
    newline = "\n"
    return f"""\
### Before and now

{_comparison(settings, steps, indexed, least)}

### The project's image, {shown:.0f} MB

| seconds | without SOCI | with SOCI, saving {least:.0%} |
|---|---|---|
{newline.join(by_step)}

With `wildcard_domain = false`, each interview has its own DNS record, which takes up to {named.record:.0f} s, in \
parallel with the task.
The candidate can then work after {named.usable:.0f} s without SOCI, and after {named_indexed.usable:.0f} s with it.

### By the size of the image

Seconds until the candidate can work.

| MB, compressed | without SOCI | SOCI saving {least:.0%} | SOCI saving {most:.0%} |
|---|---|---|---|
{newline.join(by_size)}

### Settings, and the effect of other values

| setting | value | effect in seconds |
|---|---|---|
| health check interval | {settings.interval:.0f} s | longest wait for the first check |
| healthy threshold | {settings.healthy_threshold} | {recovered:.0f} more if the first check fails |
| deregistration delay | {settings.deregistration_delay:.0f} s | added when an interview ends |
| grace period | {settings.grace_period:.0f} s | ECS ignores failed checks; a slower start fails |
| with AWS's default interval, 30 s | | {slower.usable:.0f} instead of {steps.usable:.0f} |

### Sources

| fact | value | source |
|---|---|---|
{newline.join(sources)}"""


def _comparison(settings: StartSettings, steps: Ready, indexed: Ready, saved: float) -> str:
    """The defaults of release 0.2, two public images, beside the project's own image."""
    loader_mb, start = FACTS["previous_loader_image"].value, FACTS["previous_start"].value
    of = partial(ready, settings, loader_mb=loader_mb, editor_mb=PREVIOUS_EDITOR_MB, start_seconds=start)
    return f"""\
| an interview | release 0.2 | now |
|---|---|---|
| images pulled | 2 | 1 |
| MB pulled, compressed | {loader_mb + PREVIOUS_EDITOR_MB:.0f} | {FACTS["image"].value:.0f} |
| seconds from the editor's start to `/healthz` | 3, assumed | {FACTS["code_server"].value:g}, measured |
| seconds until the candidate can work, without SOCI | {of().usable:.0f} | {steps.usable:.0f} |
| with SOCI, saving {saved:.0%} | {of(saved=saved).usable:.0f} | {indexed.usable:.0f} |"""


def _linked(fact: Fact) -> str:
    return f"[{fact.source}]({fact.url})" if fact.url else fact.source
