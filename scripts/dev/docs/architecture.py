"""The picture of the architecture, drawn from what the two stacks synthesize: a box a construct, an arrow a reference.

A reference is Terraform's own, or the ARN of another construct's resource in a policy: who may act on what. Four kinds
of reference are dots in a box's corner, because there would be more arrows than boxes: ``DOTS``. The account's number
and partition are left out.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.dev.docs.drawing import Point, Theme, arrow, box
from scripts.errors import PrequelError
from scripts.shared_stack.synthesis import Document

DESCRIPTION = "How a candidate reaches an interview, what the shared stack holds, and what refers to what"

DRAWN_SETTINGS = {"alarm_email": "on-call@example.com"}
"""What the stack that is drawn has beside ``ASSUMED_SETTINGS``: somebody to tell."""


@dataclass(frozen=True)
class Box:
    """How a thing is drawn: its title and colours, and where it stands; rows begin at the top, columns at the left."""

    title: str
    kind: str
    row: int
    column: int
    span: int = 1


CANDIDATE = "candidate"

SHARED = {
    "load_balancer": Box("Load balancer", "door", 1, 0),
    "cluster": Box("Cluster", "compute", 1, 1),
    "storage": Box("Instance bucket", "data", 1, 2),
    "task": Box("Task role", "compute", 1, 3),
    "execution": Box("Execution role", "compute", 1, 4),
    "interview_log": Box("Interview log", "data", 1, 5),
    "records": Box("DNS records", "door", 2, 0),
    "reaper": Box("Reaper", "care", 2, 1, span=2),
    "runner": Box("Runner", "care", 2, 3, span=2),
    "code_server": Box("Repository", "compute", 2, 5),
    "domain": Box("Certificate", "door", 3, 0),
    "alarms": Box("Alarms", "care", 3, 1),
    "dashboard": Box("Dashboard", "care", 3, 2),
    "access_logs": Box("Log bucket", "data", 3, 3),
    "image_indexing": Box("Image indexing", "compute", 3, 4, span=2),
    "network": Box("Network", "network", 4, 0, span=2),
    "security": Box("Security groups", "network", 4, 2, span=2),
    "flow_logs": Box("Flow logs", "network", 4, 4),
    "encryption": Box("Key", "data", 4, 5),
}
"""Every construct of the shared stack but those in ``LEFT_OUT``."""

INTERVIEW = {
    "aws_lb_listener_rule.rule": (Box("Listener rule", "interview", 0, 1), "{id}.{domain}"),
    "aws_lb_target_group.target": (Box("Target group", "interview", 0, 2), "asks /healthz"),
    "aws_ecs_service.code_server": (Box("Service", "interview", 0, 3), "one Fargate task"),
    "aws_ecs_task_definition.task": (Box("Task definition", "interview", 0, 4), "loader and editor"),
    "aws_ssm_parameter.password": (Box("Password", "interview", 0, 5), "in SSM, encrypted"),
}
"""The interview stack's resources but those in ``LEFT_OUT``, each with the line of its box."""

LEFT_OUT = frozenset({"account", "aws_route53_record.record"})
"""Looks up numbers and creates nothing; does not exist under the wildcard."""

DOTS = {
    "data": ("encrypted with the key", frozenset({"encryption"})),
    "care": ("watched by alarms", frozenset({"alarms"})),
    "network": ("in the network", frozenset({"network", "security"})),
    "waiting": ("access is logged", frozenset({"access_logs"})),
}
"""What is a dot, in the colour of which kind: its meaning, and the constructs that are referred to."""

WATCHERS = frozenset({"alarms", "dashboard"})
"""Whose references are no arrows: what they lead to is watched."""

NOTABLE = {
    "aws_vpc": "VPC",
    "aws_subnet": "subnet",
    "aws_nat_gateway": "NAT gateway",
    "aws_vpc_endpoint": "S3 endpoint",
    "aws_security_group": "security group",
    "aws_flow_log": "flow log",
    "aws_lb": "ALB",
    "aws_lb_listener": "listener",
    "aws_acm_certificate": "certificate",
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
}
"""The resource types that a box names."""

PLAIN = {"aws_cloudwatch_log_group": "log group", "aws_iam_role": "IAM role"}
"""Those that it names when it has nothing else to name."""

ARNS = {
    "aws_codebuild_project": ("name", ":project/"),
    "aws_ecs_cluster": ("name", ":cluster/"),
    "aws_s3_bucket": ("bucket", ":s3:::"),
    "aws_lambda_function": ("function_name", ":function:"),
    "aws_ecr_repository": ("name", ":repository/"),
    "aws_cloudwatch_log_group": ("name", ":log-group:"),
}
"""The argument that names a resource in its ARN, and what stands before it there
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
"""

_ADDRESS = re.compile(r"\baws_\w+\.\w+")
_VARIABLE = re.compile(r"\bvar\.(\w+)")
_ARN = re.compile(r'arn:[^"\\]*')


@dataclass(frozen=True)
class Architecture:
    """What the stacks hold: constructs with their resources' types, and who refers to whom.

    ``references`` join constructs; ``inner`` join the interview's resources; ``outer`` lead from those to constructs.
    ``open`` are the constructs that anybody on the internet reaches on port 443, ``watched`` those with an alarm.
    """

    resources: dict[str, Counter[str]]
    references: set[tuple[str, str]] = field(default_factory=set)
    inner: set[tuple[str, str]] = field(default_factory=set)
    outer: set[tuple[str, str]] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    watched: set[str] = field(default_factory=set)


def read(shared: Document, interview: Document) -> Architecture:
    """What the synthesized stacks hold; raises ``PrequelError`` for a construct or resource that has no place here."""
    owner = {address: body["//"]["metadata"]["path"].split("/")[1] for address, body in _blocks(shared, "data")}
    found = Architecture(resources={name: Counter() for name in owner.values()})
    for address, body in _blocks(shared, "resource"):
        owner[address] = construct = body["//"]["metadata"]["path"].split("/")[1]
        found.resources.setdefault(construct, Counter())[address.split(".")[0]] += 1
    _same("constructs of the shared stack", set(found.resources) - LEFT_OUT, set(SHARED), "SHARED")
    named = {_in_arn(address, body): owner[address] for address, body in _blocks(shared, "resource")}
    for kind in ("data", "resource"):
        for address, body in _blocks(shared, kind):
            found.references.update((owner[address], owner[other]) for other in _mentioned(body) & owner.keys())
            found.references.update((owner[address], other) for other in _acted_on(body, named))
    outputs = {
        name: {owner[address] for address in _mentioned(output["value"]) & owner.keys()}
        for name, output in shared["output"].items()
    }
    mine = dict(_blocks(interview, "resource"))
    _same("resources of the interview stack", set(mine) - LEFT_OUT, set(INTERVIEW), "INTERVIEW")
    for address in INTERVIEW:
        found.inner.update((address, other) for other in _mentioned(mine[address]) & INTERVIEW.keys() - {address})
        variables = set(_VARIABLE.findall(json.dumps(mine[address])))
        found.outer.update((address, construct) for name in variables for construct in outputs.get(name, ()))
    for address, body in _blocks(shared, "resource"):
        if address.startswith("aws_cloudwatch_metric_alarm."):
            found.watched.update({owner[address]}, (owner[other] for other in _mentioned(body) & owner.keys()))
    doors = {
        address
        for rule in shared["resource"]["aws_vpc_security_group_ingress_rule"].values()
        if rule.get("cidr_ipv4") == "0.0.0.0/0" and rule["from_port"] == 443
        for address in _mentioned(rule["security_group_id"])
    }
    found.open.update(
        owner[address]
        for address, body in _blocks(shared, "resource")
        if _mentioned(body.get("security_groups")) & doors
    )
    return found


def _blocks(stack: Document, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource_type, named in stack.get(kind, {}).items():
        for name, body in named.items():
            yield f"{resource_type}.{name}", body


def _mentioned(value: Any) -> set[str]:
    """The addresses in ``value``, but for what is only waited for."""
    if isinstance(value, dict):
        value = {name: argument for name, argument in value.items() if name != "depends_on"}
    return set(_ADDRESS.findall(json.dumps(value)))


def _in_arn(address: str, body: dict[str, Any]) -> str:
    """How the resource's ARN ends; of types without one here, something that is in no ARN."""
    argument, before = ARNS.get(address.partition(".")[0], ("", ""))
    return f"{before}{body[argument]}" if argument else f"no ARN of {address}"


def _acted_on(body: dict[str, Any], named: dict[str, str]) -> set[str]:
    """The owners in ``named`` of what the ARNs in ``body`` lead to; a name ends where no letter, digit or - follows."""
    arns = _ARN.findall(json.dumps({name: argument for name, argument in body.items() if name != "//"}))
    return {
        owner
        for arn in arns
        for name, owner in named.items()
        if any(not re.match(r"[\w-]", rest[:1]) for rest in arn.split(name)[1:])
    }


def _same(what: str, found: set[str], described: set[str], table: str) -> None:
    if found != described:
        raise PrequelError(
            f"the {what} are not those of {table} in scripts/dev/docs/architecture.py: "
            f"{', '.join(sorted(found ^ described))}; say there where and how each is drawn"
        )


def contents(resources: Counter[str], across: int) -> list[str]:
    """What a box says about a construct's resources: the most notable, in two lines of ``across`` things at most."""
    kinds = NOTABLE if any(resources[kind] for kind in NOTABLE) else PLAIN
    named = [
        f"{resources[kind]} {title}s" if resources[kind] > 1 else title
        for kind, title in kinds.items()
        if resources[kind]
    ]
    if len(named) > 2 * across:
        named[2 * across - 1 :] = ["…"]
    return [" · ".join(named[start : start + across]) for start in range(0, len(named), across)]


def architecture(theme: Theme, found: Architecture) -> str:
    """The graph of ``found`` with every box and arrow in its place; Graphviz only writes it as SVG."""
    lines = [
        "digraph architecture {",
        f'  graph [layout=nop2 bgcolor=transparent pad="0.08" fontname=Arial fontsize=13 fontcolor="{theme.faint}"'
        f' color="{theme.frame}" fillcolor="{theme.panel}" style="rounded,filled"]',
        '  node [shape=box style="rounded,filled" penwidth=1.3 fixedsize=true fontname=Arial fontsize=12.5]',
        "  edge [arrowsize=0.65 penwidth=1.3]",
        *_frames(),
    ]
    for name, place in PLACES.items():
        size = f'width={place.width / 72:.3f} height={place.height / 72:.3f} pos="{place.x:g},{place.y:g}"'
        lines.append(f"  {_node(name)} [{size} {_label(theme, name, found)}]")
    for (start, end), path in _paths(arrows(found)).items():
        lines.append(f'  {_node(start)} -> {_node(end)} [color="{theme[BOXES[start].kind].line}" pos="{path}"]')
    lines.append(f"  legend [{_legend(theme)}]")
    lines += ["}", ""]
    return "\n".join(lines)


BOXES = {CANDIDATE: Box("Candidate", "person", 0, 0)} | SHARED | {name: drawn for name, (drawn, _) in INTERVIEW.items()}


def _label(theme: Theme, name: str, found: Architecture) -> str:
    drawn = BOXES[name]
    marks = [theme[kind].line for kind in dots(name, found)]
    if name == CANDIDATE:
        lines = ["a browser"]
    elif name in INTERVIEW:
        lines = [INTERVIEW[name][1]]
    else:
        lines = contents(found.resources[name], across=3 if drawn.span > 1 else 1)
    return box(theme, drawn.kind, drawn.title, lines, marks)


def dots(name: str, found: Architecture) -> list[str]:
    """The kinds in whose colours the box of ``name`` has a dot."""
    leads_to = {end for start, end in found.references | found.outer if start == name}
    shown = {kind for kind, (_, ends) in DOTS.items() if leads_to & ends and kind != "care"}
    if name in found.watched:
        shown.add("care")
    return [kind for kind, (_, ends) in DOTS.items() if kind in shown and name not in ends | WATCHERS]


def arrows(found: Architecture) -> set[tuple[str, str]]:
    """What is drawn as an arrow: every reference that is neither a dot nor left out."""
    dotted = frozenset[str]().union(*(ends for _, ends in DOTS.values()))
    joined = found.references | found.outer | found.inner | {(CANDIDATE, name) for name in found.open}
    return {
        (start, end)
        for start, end in joined
        if start != end and start not in WATCHERS | dotted and end not in dotted and not {start, end} & LEFT_OUT
    }


def _node(name: str) -> str:
    return name.replace(".", "_")


NO_BREAK = "\N{NO-BREAK SPACE}"


def _legend(theme: Theme) -> str:
    low = min(place.y - place.height / 2 for place in PLACES.values())
    said = "".join(
        f'<font color="{theme[kind].line}">●</font> {meaning}{4 * NO_BREAK}' for kind, (meaning, _) in DOTS.items()
    )
    return (
        f'shape=plain style="" width=6 height=0.4 pos="{2.5 * PITCH:g},{low - 48:g}"'
        f' label=<<font point-size="11.5" color="{theme.faint}">{said}→ refers to, or may act on</font>>'
    )


@dataclass(frozen=True)
class Place:
    """Where a box is drawn: its middle and its size, in points, upwards and to the right."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        """The left edge."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width / 2


PITCH, GAP = 139, 17
"""From column to column, and the room between two boxes beside each other, in points."""

ROWS = (0, -116, -218, -300, -382)
"""The middle of each row, in points; the first two gaps hold most arrows."""

HEIGHT = 56


def _place(drawn: Box) -> Place:
    middle = drawn.column + (drawn.span - 1) / 2
    return Place(middle * PITCH, ROWS[drawn.row], drawn.span * PITCH - GAP, HEIGHT)


PLACES = {name: _place(drawn) for name, drawn in BOXES.items()}


def _paths(joined: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The curve of each arrow, as Graphviz writes one; ends on one side of a box stand in the order of their others."""
    ends: dict[tuple[str, str], list[tuple[float, tuple[str, str]]]] = defaultdict(list)
    for start, end in joined:
        for here, there in ((start, end), (end, start)):
            ends[here, _side(here, there)].append((PLACES[there].x, (start, end)))
    order = {key: [pair for _, pair in sorted(found)] for key, found in ends.items()}

    def at(here: str, there: str, pair: tuple[str, str]) -> Point:
        side, place = _side(here, there), PLACES[here]
        if side in ("left", "right"):
            return (place.left if side == "left" else place.right), place.y
        found = order[here, side]
        across = (found.index(pair) + 1) / (len(found) + 1)
        up = place.height / 2 if side == "top" else -place.height / 2
        return place.left + across * place.width, place.y + up

    return {
        (start, end): arrow(
            _curve(
                at(start, end, (start, end)),
                at(end, start, (start, end)),
                _side(start, end),
                level=BOXES[start].row == BOXES[end].row,
            )
        )
        for start, end in sorted(joined)
    }


def _side(here: str, there: str) -> str:
    """Where an arrow between two boxes meets the first: towards the other, or left past what lies between."""
    one, other = BOXES[here], BOXES[there]
    if one.row == other.row:
        return "right" if other.column > one.column else "left"
    if abs(one.row - other.row) > 1:
        return "left"
    return "bottom" if other.row > one.row else "top"


BULGE = 22
"""How far an arrow goes aside that passes a box, in points."""


def _curve(start: Point, end: Point, side: str, *, level: bool) -> tuple[Point, ...]:
    """From ``start``, on that ``side`` of its box, to ``end``; ``level`` when their boxes stand beside each other."""
    (x, y), (to_x, to_y) = start, end
    if level:
        return start, (x + (to_x - x) / 3, y), (to_x - (to_x - x) / 3, y), end
    if side == "left":
        return start, (x - BULGE, y), (to_x - BULGE, to_y), end
    return start, (x, (y + to_y) / 2), (to_x, (y + to_y) / 2), end


def _frames() -> Iterator[str]:
    """The frame of each stack; where no arrow passes it has its title: above the interview, below the shared stack."""
    for name, title, inside, above, below in (
        ("interview", "One interview", [PLACES[name] for name in INTERVIEW], 28, 10),
        ("shared", "Shared stack, deployed once", [PLACES[name] for name in SHARED], 12, 28),
    ):
        left, right = min(place.left for place in inside) - 10, max(place.right for place in inside) + 10
        if name == "shared":
            left -= 10
        low = min(place.y - place.height / 2 for place in inside) - below
        high = max(place.y + place.height / 2 for place in inside) + above
        title_at = high - 14 if above > below else low + 14
        yield (
            f'  subgraph cluster_{name} {{ bb="{left:g},{low:g},{right:g},{high:g}" label="{title}"'
            f' lp="{(left + right) / 2:g},{title_at:g}" }}'
        )
