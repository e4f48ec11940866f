"""A model of how long an interview takes to become ready on AWS, which no embedded AWS can show.

What we set ourselves is read from the template set; what AWS takes has a source, or says that it is assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.costs.resources import interview_resources

IMAGE_SIZES_MB = (200, 400, 800, 1600)
"""Compressed sizes of all images of the task together: a public image may change, so the model has a range."""


@dataclass(frozen=True)
class Fact:
    """One number of the model, with its unit and where it comes from."""

    value: float
    unit: str
    source: str


FACTS: dict[str, Fact] = {
    "terraform": Fact(
        3.3, "s", "measured on the embedded AWS, November 2026 (apply of the five resources; AWS's own API adds to it)"
    ),
    "benchmark_start": Fact(
        57,
        "s",
        "from a task's creation to its start in a private subnet, mean of ten, April 2024: "
        "https://elasticscale.com/blog/reduce-aws-fargate-pull-times-with-soci",
    ),
    "benchmark_image": Fact(413, "MB", "the image of that benchmark, same page"),
    "pull_share": Fact(
        0.76,
        "of a start",
        "what downloading an image takes of a container's start, the study that AWS cites: "
        "https://aws.amazon.com/blogs/aws/aws-fargate-enables-faster-container-startup-using-seekable-oci/",
    ),
    "soci_saves": Fact(
        0.60,
        "of a task's start",
        'AWS at re:Invent 2023, CON307, "up to"; its demonstration saved 0.74: '
        "https://awsrelearn.com/aws-reinvent-2023/reducing-aws-fargate-startup-times-by-lazy-loading-container-images-con307",
    ),
    "soci_saves_cautiously": Fact(
        0.30,
        "of a task's start",
        "assumed: half of what AWS says at most, for an image that is read more while it starts",
    ),
    "challenge": Fact(3, "s", "assumed: the AWS CLI starts and copies a few files; measure it in the task's log"),
    "code_server": Fact(3, "s", "assumed: from the process's start to the first answer of /healthz"),
    "record": Fact(
        60,
        "s",
        'until all of Route 53\'s servers know a record, "generally": '
        "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-editing.html",
    ),
    "first_checks": Fact(
        1,
        "checks",
        "a new target needs one passed check, whatever the healthy threshold: "
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html",
    ),
}
"""What does not depend on our settings."""


@dataclass(frozen=True)
class Settings:
    """What the template set says, in seconds and numbers of checks."""

    interval: float
    healthy_threshold: int
    deregistration_delay: float
    grace_period: float


def settings_of_templates() -> Settings:
    """The settings in ``instance_templates/``."""
    bodies: Mapping[str, Mapping[str, Any]] = {r.type: r.body for r in interview_resources({})}
    target = bodies["aws_lb_target_group"]
    (check,) = target["health_check"]
    return Settings(
        interval=float(check["interval"]),
        healthy_threshold=int(check["healthy_threshold"]),
        deregistration_delay=float(target["deregistration_delay"]),
        grace_period=float(bodies["aws_ecs_service"]["health_check_grace_period_seconds"]),
    )


@dataclass(frozen=True)
class Ready:
    """Seconds of each step; ``record`` runs beside the others, because the service does not wait for it."""

    terraform: float
    placement: float
    pull: float
    start: float
    health: float
    record: float

    @property
    def total(self) -> float:
        """From the command to a healthy target that has a name."""
        task = self.placement + self.pull + self.start + self.health
        return self.terraform + max(task, self.record)


def ready(settings: Settings, *, image_mb: float, saved: float = 0.0, wildcard: bool = True) -> Ready:
    """The model, for images of ``image_mb`` together. ``saved`` is the share of a task's start that SOCI saves.

    A start is placement and pull. The benchmark's is split by the share that downloading has, which gives a placement
    that is the same for every image, and a rate for the rest, unpacking included. SOCI saves of the pull, never of
    placement.
    """
    start, share = FACTS["benchmark_start"].value, FACTS["pull_share"].value
    placement = start * (1 - share)
    pull = image_mb / FACTS["benchmark_image"].value * start * share
    return Ready(
        terraform=FACTS["terraform"].value,
        placement=placement,
        pull=max(pull - saved * (placement + pull), 0.0),
        start=FACTS["challenge"].value + FACTS["code_server"].value,
        health=FACTS["first_checks"].value * settings.interval,
        record=0.0 if wildcard else FACTS["record"].value,
    )


def tables() -> str:
    """The page's computed part in Markdown."""
    settings = settings_of_templates()
    most, least = FACTS["soci_saves"].value, FACTS["soci_saves_cautiously"].value
    steps = ready(settings, image_mb=400)
    indexed = ready(settings, image_mb=400, saved=least)
    named, named_indexed = (ready(settings, image_mb=400, saved=saved, wildcard=False) for saved in (0.0, least))
    rows = [
        ("Terraform", steps.terraform, indexed.terraform),
        ("placement and network interface", steps.placement, indexed.placement),
        ("pull and unpack", steps.pull, indexed.pull),
        ("challenge copied, code-server answers", steps.start, indexed.start),
        ("health check, at most", steps.health, indexed.health),
        ("DNS, under the wildcard", steps.record, indexed.record),
        ("**ready**", steps.total, indexed.total),
    ]
    lines = [
        "### 400 MB of images",
        "",
        f"| seconds | without SOCI | with SOCI, saving {least:.0%} |",
        "|---|---|---|",
        *(f"| {what} | {without:.0f} | {with_:.0f} |" for what, without, with_ in rows),
        "",
        f"With `wildcard_domain = false` a record each takes up to {named.record:.0f} s beside the task: ready after "
        f"{named.total:.0f} s\nwithout SOCI, where the image takes longer anyway, "
        f"and after {named_indexed.total:.0f} s with it.",
        "",
        "### By the size of the images",
        "",
        f"| MB, compressed | without SOCI | SOCI saving {least:.0%} | SOCI saving {most:.0%} |",
        "|---|---|---|---|",
    ]
    for size in IMAGE_SIZES_MB:
        totals = [ready(settings, image_mb=size, saved=saved).total for saved in (0.0, least, most)]
        lines.append(f"| {size} | {' | '.join(f'{total:.0f} s' for total in totals)} |")
    recovered = settings.healthy_threshold * settings.interval
    lines += [
        "",
        "### Our settings, and what others would do",
        "",
        "| | ours | seconds |",
        "|---|---|---|",
        f"| health check interval | {settings.interval:.0f} s | the longest wait for the first check |",
        f"| healthy threshold | {settings.healthy_threshold} | {recovered:.0f} more if the first came too early |",
        f"| deregistration delay | {settings.deregistration_delay:.0f} s | waited for at the end of each interview |",
        f"| grace period | {settings.grace_period:.0f} s | ECS ignores failed checks; a slower start is given up |",
        "| the same with AWS's default interval of 30 s | | "
        f"{ready(_with_interval(settings, 30), image_mb=400).total:.0f} instead of {steps.total:.0f} |",
        "",
        "### Sources",
        "",
        "| number | | from |",
        "|---|---|---|",
        *(f"| {name.replace('_', ' ')} | {fact.value:g} {fact.unit} | {fact.source} |" for name, fact in FACTS.items()),
    ]
    return "\n".join(lines)


def _with_interval(settings: Settings, interval: float) -> Settings:
    return Settings(interval, settings.healthy_threshold, settings.deregistration_delay, settings.grace_period)
