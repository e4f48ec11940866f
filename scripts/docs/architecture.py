"""The picture of the architecture, drawn from what the two stacks synthesize: a box a construct, an arrow a reference.

Three kinds of reference are no arrows, because there would be more arrows than boxes: the
account's number and partition (left out), the key that encrypts, and what the alarms and the dashboard watch.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.docs.drawing import Theme, box
from scripts.errors import PrequelError
from scripts.synthesis import Document

DESCRIPTION = "The shared stack's constructs, one interview's resources, and what refers to what"

DRAWN_SETTINGS = {"alarm_email": "on-call@example.com"}
"""What the stack that is drawn has beside ``ASSUMED_SETTINGS``: somebody to tell."""


@dataclass(frozen=True)
class Group:
    """Constructs that are drawn together: ``members`` are their ids with the titles of their boxes.

    They stand below each other from ``row`` and ``column`` on, or beside each other across ``span`` columns.
    """

    title: str
    kind: str
    row: int
    column: int
    members: dict[str, str]
    span: int = 0


GROUPS: tuple[Group, ...] = (
    Group(
        "Front door",
        "door",
        row=0,
        column=0,
        members={"load_balancer": "Load balancer", "domain": "Certificate", "records": "DNS records"},
    ),
    Group(
        "Network",
        "network",
        row=0,
        column=1,
        members={"security": "Security groups", "network": "Network", "flow_logs": "Flow logs"},
    ),
    Group("Compute", "compute", row=0, column=2, members={"cluster": "Cluster", "interview_log": "Interview log"}),
    Group("Roles", "compute", row=0, column=3, members={"execution": "Execution role", "task": "Task role"}),
    Group(
        "Images",
        "compute",
        row=2,
        column=2,
        span=2,
        members={"code_server": "Repository", "image_indexing": "Image indexing"},
    ),
    Group(
        "Data",
        "data",
        row=0,
        column=4,
        members={"storage": "Instance bucket", "access_logs": "Log bucket", "encryption": "Key"},
    ),
    Group(
        "Care",
        "care",
        row=3,
        column=0,
        span=5,
        members={"dashboard": "Dashboard", "alarms": "Alarms", "reaper": "Reaper", "runner": "Runner"},
    ),
)
"""Every construct of the shared stack but those in ``LEFT_OUT``, where it is drawn."""

LEFT_OUT = frozenset({"account"})
"""Looks up numbers and creates nothing."""

ENCRYPTS, KEY_KIND = "encryption", "data"
WATCHES, WATCH_KIND = frozenset({"alarms", "dashboard"}), "care"
"""What is drawn as a dot, and in the colour of which kind."""

NOTABLE = {
    "aws_vpc": "VPC",
    "aws_subnet": "subnet",
    "aws_nat_gateway": "NAT gateway",
    "aws_vpc_endpoint": "S3 endpoint",
    "aws_security_group": "security group",
    "aws_flow_log": "flow log",
    "aws_lb": "ALB",
    "aws_lb_listener": "listener",
    "aws_acm_certificate": "ACM certificate",
    "aws_route53_record": "record",
    "aws_ecs_cluster": "Fargate cluster",
    "aws_ecr_repository": "ECR repository",
    "aws_s3_bucket": "S3 bucket",
    "aws_kms_key": "KMS key",
    "aws_codebuild_project": "CodeBuild",
    "aws_lambda_function": "Lambda",
    "aws_cloudwatch_event_rule": "event rule",
    "aws_sqs_queue": "queue",
    "aws_sns_topic": "SNS topic",
    "aws_cloudwatch_metric_alarm": "alarm",
    "aws_cloudwatch_dashboard": "dashboard",
    "aws_cloudwatch_log_group": "log group",
    "aws_iam_role": "IAM role",
}
"""The resource types that a box names; all others are counted as supporting ones."""

INTERVIEW: dict[str, tuple[str, str]] = {
    "aws_route53_record.record": ("DNS record", "if no wildcard"),
    "aws_lb_listener_rule.rule": ("Listener rule", "{id}.{domain}"),
    "aws_lb_target_group.target": ("Target group", "asks /healthz"),
    "aws_ecs_service.code_server": ("Service", "one Fargate task"),
    "aws_ecs_task_definition.task": ("Task definition", "loader, code-server"),
    "aws_ssm_parameter.password": ("Password", "SSM SecureString"),
}
"""The interview stack's resources, each with the title and the line of its box."""

_ADDRESS = re.compile(r"\baws_\w+\.\w+")
_VARIABLE = re.compile(r"\bvar\.(\w+)")


@dataclass(frozen=True)
class Architecture:
    """What the stacks hold: constructs with their resources' types, and who refers to whom.

    ``references`` join constructs; ``inner`` join the interview's resources; ``outer`` lead from those to constructs.
    """

    resources: dict[str, Counter[str]]
    references: set[tuple[str, str]] = field(default_factory=set)
    inner: set[tuple[str, str]] = field(default_factory=set)
    outer: set[tuple[str, str]] = field(default_factory=set)


def read(shared: Document, interview: Document) -> Architecture:
    """What the synthesized stacks hold; raises ``PrequelError`` for a construct or resource that has no place here."""
    owner = {address: body["//"]["metadata"]["path"].split("/")[1] for address, body in _blocks(shared, "data")}
    found = Architecture(resources={name: Counter() for name in owner.values()})
    for address, body in _blocks(shared, "resource"):
        owner[address] = construct = body["//"]["metadata"]["path"].split("/")[1]
        found.resources.setdefault(construct, Counter())[address.split(".")[0]] += 1
    placed = {member for group in GROUPS for member in group.members}
    _same("constructs of the shared stack", set(found.resources) - LEFT_OUT, placed, "GROUPS")
    for kind in ("data", "resource"):
        for address, body in _blocks(shared, kind):
            found.references.update((owner[address], owner[other]) for other in _mentioned(body) & owner.keys())
    outputs = {
        name: {owner[address] for address in _mentioned(output["value"]) & owner.keys()}
        for name, output in shared["output"].items()
    }
    mine = dict(_blocks(interview, "resource"))
    _same("resources of the interview stack", set(mine), set(INTERVIEW), "INTERVIEW")
    for address, body in mine.items():
        found.inner.update((address, other) for other in _mentioned(body) & mine.keys() - {address})
        variables = set(_VARIABLE.findall(json.dumps(body)))
        found.outer.update((address, construct) for name in variables for construct in outputs.get(name, ()))
    return found


def _blocks(stack: Document, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource_type, named in stack.get(kind, {}).items():
        for name, body in named.items():
            yield f"{resource_type}.{name}", body


def _mentioned(value: Any) -> set[str]:
    return set(_ADDRESS.findall(json.dumps(value)))


def _same(what: str, found: set[str], described: set[str], table: str) -> None:
    if found != described:
        raise PrequelError(
            f"the {what} are not those of {table} in scripts/docs/architecture.py: "
            f"{', '.join(sorted(found ^ described))}; say there where and how each is drawn"
        )


def contents(resources: Counter[str], across: int) -> list[str]:
    """What a box says about a construct's resources: the most notable, in two lines of ``across`` things at most."""
    named = [
        f"{resources[kind]} {title}s" if resources[kind] > 1 else title
        for kind, title in NOTABLE.items()
        if resources[kind]
    ]
    if len(named) > 2 * across:
        named[2 * across - 1 :] = ["…"]
    return [" · ".join(named[start : start + across]) for start in range(0, len(named), across)]


def architecture(theme: Theme, found: Architecture) -> str:
    """The graph of ``found`` with every box in its place; Graphviz routes the arrows."""
    kinds = {_node(address): "interview" for address in INTERVIEW}
    kinds |= {name: group.kind for group in GROUPS for name in group.members}
    labels = {_node(address): _interview_box(theme, address, found) for address in INTERVIEW}
    labels |= {name: _construct_box(theme, name, found) for group in GROUPS for name in group.members}
    lines = [
        "digraph architecture {",
        f'  graph [layout=nop splines=true esep="+4" bgcolor=transparent pad="0.1" fontname=Arial fontsize=12.5'
        f' fontcolor="{theme.faint}" color="{theme.frame}" fillcolor="{theme.panel}" style="rounded,filled"]',
        '  node [shape=box style="rounded,filled" penwidth=1.3 fixedsize=true fontname=Arial fontsize=12.5]',
        "  edge [arrowsize=0.6 penwidth=1.2]",
    ]
    for title, ids, indent in _frames():
        lines.append(
            f"  subgraph cluster_{ids[0]}_{indent} {{ {_frame(title, [PLACES[name] for name in ids], indent)} }}"
        )
    for name, label in labels.items():
        place = PLACES[name]
        size = f'width={place.width / 72:.3f} height={place.height / 72:.3f} pos="{place.x:g},{place.y:g}"'
        lines.append(f"  {name} [{size} {label}]")
    lines += [f'  {start} -> {end} [color="{theme[kinds[start]].line}"]' for start, end in sorted(_arrows(found))]
    lines.append(f"  legend [{_legend(theme)}]")
    lines += ["}", ""]
    return "\n".join(lines)


def _interview_box(theme: Theme, address: str, found: Architecture) -> str:
    title, line = INTERVIEW[address]
    return box(theme, "interview", title, [line], [theme[KEY_KIND].line] if (address, ENCRYPTS) in found.outer else [])


def _construct_box(theme: Theme, construct: str, found: Architecture) -> str:
    group = next(group for group in GROUPS if construct in group.members)
    marks = []
    if (construct, ENCRYPTS) in found.references and construct != ENCRYPTS:
        marks.append(theme[KEY_KIND].line)
    if any((watcher, construct) in found.references for watcher in WATCHES - {construct}) and construct != ENCRYPTS:
        marks.append(theme[WATCH_KIND].line)
    lines = contents(found.resources[construct], across=3 if group.span > len(group.members) else 2)
    return box(theme, group.kind, group.members[construct], lines, marks)


def _node(address: str) -> str:
    return "interview_" + address.split(".")[1]


def _arrows(found: Architecture) -> set[tuple[str, str]]:
    arrows = {(_node(start), _node(end)) for start, end in found.inner}
    arrows |= {(_node(start), end) for start, end in found.outer if end != ENCRYPTS}
    return arrows | {
        (start, end)
        for start, end in found.references
        if start != end and start not in WATCHES and end != ENCRYPTS and not {start, end} & LEFT_OUT
    }


NO_BREAK = "\N{NO-BREAK SPACE}"


def _legend(theme: Theme) -> str:
    low = min(place.y - place.height / 2 for place in PLACES.values())
    middle = (PLACES["load_balancer"].x + PLACES["storage"].x) / 2
    said = "".join(
        f'<font color="{theme[kind].line}">●</font> {meaning}{6 * NO_BREAK}'
        for kind, meaning in ((KEY_KIND, "encrypted with the key"), (WATCH_KIND, "watched by alarms and dashboard"))
    )
    return (
        f'shape=plain style="" width=6 height=0.3 pos="{middle:g},{low - 36:g}"'
        f' label=<<font point-size="11" color="{theme.faint}">{said}an arrow leads to what is referred to</font>>'
    )


@dataclass(frozen=True)
class Place:
    """Where a box is drawn: its middle and its size, in points."""

    x: float
    y: float
    width: float
    height: float


BOX, ROW, GAP = 146, 88, 20
"""The width of a box, the height of a row, and the room between two columns, in points."""


def _places() -> dict[str, Place]:
    found = _beside([_node(address) for address in INTERVIEW], column=0, span=5, y=ROW + 38, height=40)
    for group in GROUPS:
        if group.span:
            found |= _beside(list(group.members), column=group.column, span=group.span, y=-group.row * ROW, height=54)
        else:
            for depth, name in enumerate(group.members, start=group.row):
                found[name] = Place(group.column * (BOX + GAP), -depth * ROW, BOX, 54)
    return found


def _beside(ids: list[str], *, column: int, span: int, y: float, height: float) -> dict[str, Place]:
    pitch = span * (BOX + GAP) / len(ids)
    left = column * (BOX + GAP) - (BOX + GAP) / 2
    return {name: Place(left + (number + 0.5) * pitch, y, pitch - GAP, height) for number, name in enumerate(ids)}


PLACES = _places()


def _frames() -> Iterator[tuple[str, list[str], int]]:
    """The frames, each with its title, what is in it, and the room that it keeps for frames inside it."""
    yield "Interview stack: one for each interview", [_node(address) for address in INTERVIEW], 0
    yield "Shared stack: deployed once", [name for group in GROUPS for name in group.members], 1
    for group in GROUPS:
        yield group.title, list(group.members), 0


def _frame(title: str, places: list[Place], indent: int) -> str:
    room = 8 + 8 * indent
    left = min(place.x - place.width / 2 for place in places) - room
    right = max(place.x + place.width / 2 for place in places) + room
    low = min(place.y - place.height / 2 for place in places) - room
    high = max(place.y + place.height / 2 for place in places) + room + 16 + 18 * indent
    return f'bb="{left:g},{low:g},{right:g},{high:g}" label="{title}" lp="{(left + right) / 2:g},{high - 11:g}"'
