"""The architecture diagram as a D2 source: boxes in a grid, and arrows labeled with an action.

The boxes and arrows are written by hand, so that a reader can follow a candidate's request. A test compares them with
the synthesized stacks.
"""

import json
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Box:
    """A box: its title, what it stands for, and how it looks.

    ``shows`` holds constructs of the shared stack by id and resources of the interview stack by address. ``icon`` is a
    file of the npm package aws-icons without its suffix.
    """

    title: str
    icon: str = ""
    shows: tuple[str, ...] = ()
    kind: Literal["service", "person", "tool"] = "service"


BOXES = {
    "candidate": Box("Candidate", kind="person"),
    "records": Box("Route 53\nwildcard name", "architecture-service/AmazonRoute53", ("records",)),
    "on_call": Box("On call", kind="person"),
    "network": Box(
        "Network\nVPC", "architecture-service/AmazonVirtualPrivateCloud", ("network", "security", "flow_logs")
    ),
    "load_balancer": Box("Load balancer\nALB", "architecture-service/ElasticLoadBalancing", ("load_balancer",)),
    "certificate": Box("Certificate\nACM", "architecture-service/AWSCertificateManager", ("domain",)),
    "logs": Box(
        "Logs, alarms\nCloudWatch",
        "architecture-service/AmazonCloudWatch",
        ("interview_log", "access_logs", "alarms", "dashboard"),
    ),
    "key": Box("Encryption key\nKMS", "architecture-service/AWSKeyManagementService", ("encryption",)),
    "rule": Box(
        "Listener rule,\ntarget group",
        "architecture-service/ElasticLoadBalancing",
        ("aws_lb_listener_rule.rule", "aws_lb_target_group.target"),
    ),
    "editor": Box(
        "Task: editor\nFargate",
        "architecture-service/AWSFargate",
        ("aws_ecs_service.code_server", "aws_ecs_task_definition.task", "cluster", "task", "execution"),
    ),
    "password": Box("Password\nSSM", "resource/AWSSystemsManagerParameterStore", ("aws_ssm_parameter.password",)),
    "terraform": Box("Terraform", kind="tool"),
    "image_indexing": Box("Image indexing\nLambda", "architecture-service/AWSLambda", ("image_indexing",)),
    "images": Box("Images\nECR", "architecture-service/AmazonElasticContainerRegistry", ("code_server", "image_build")),
    "bucket": Box("Instance bucket\nS3", "architecture-service/AmazonSimpleStorageService", ("storage",)),
    "prequel": Box("prequel,\nportal", kind="tool"),
    "schedule": Box("EventBridge\nrules", "architecture-service/AmazonEventBridge"),
    "reaper": Box("Reaper\nLambda", "architecture-service/AWSLambda", ("reaper",)),
    "runner": Box("Runner\nCodeBuild", "architecture-service/AWSCodeBuild", ("runner",)),
    "operator": Box("Operator", kind="person"),
}
"""From the top, column by column. The EventBridge rules belong to the constructs that they start."""

LEFT_OUT = frozenset({"account", "aws_route53_record.record"})
"""Creates nothing; does not exist under the wildcard."""

INTERVIEW = "interview"
"""The frame around the interview stack; an arrow may point to it."""

ARROWS = (
    ("candidate", "records", "1 resolves"),
    ("candidate", "load_balancer", "2 opens"),
    ("load_balancer", "rule", "3 routes"),
    ("rule", "editor", "4 forwards"),
    ("load_balancer", "certificate", "presents"),
    ("editor", "password", "reads"),
    ("editor", "images", "pulls"),
    ("editor", "bucket", "loads and\nsaves work"),
    ("editor", "logs", "writes"),
    ("logs", "on_call", "notifies"),
    ("operator", "prequel", "uses"),
    ("prequel", "bucket", "reads,\nwrites"),
    ("prequel", "terraform", "runs"),
    ("terraform", "bucket", "keeps\nstate"),
    ("terraform", INTERVIEW, "creates,\ndestroys"),
    ("schedule", "reaper", "starts\neach minute"),
    ("schedule", "image_indexing", "starts\non a push"),
    ("reaper", "bucket", "reads\ndeadlines"),
    ("reaper", "runner", "starts"),
    ("runner", "prequel", "runs"),
    ("image_indexing", "images", "adds an index"),
)
"""Start, end and label. The path of a candidate's request is numbered."""

ROWS, FRAMED_COLUMN = 4, 2
"""The number of boxes in a column, and the column whose upper boxes are the interview stack."""

STYLE = """\
style.fill: transparent
grid-rows: 1
grid-gap: 0
classes: {
  box: {
    width: 146; height: 124
    style: {border-radius: 10; font-size: 19; bold: false; fill: ${box}; stroke: ${line}; font-color: ${text}}
  }
  service: {label.near: bottom-center; icon.near: top-center}
  person: {shape: person; label.near: bottom-center}
  tool: {label.near: center-center}
  way: {style: {stroke: ${accent}; stroke-width: 3; font-color: ${accent}; font-size: 18; bold: true; italic: false}}
  act: {style: {stroke: ${line}; stroke-width: 2; font-color: ${quiet}; font-size: 19; italic: false}}
  column: {
    label: ""; grid-columns: 1; horizontal-gap: 56; vertical-gap: 64
    style: {fill: transparent; stroke: transparent}
  }
  upper: {
    label: ""; grid-columns: 1; horizontal-gap: 0; vertical-gap: 72
    style: {fill: transparent; stroke: transparent}
  }
  frame: {
    label: One interview; grid-columns: 1; horizontal-gap: 14; vertical-gap: 72
    style: {fill: ${frame}; stroke: ${accent}; border-radius: 12; font-size: 22; font-color: ${text}}
  }
}
"""


def architecture() -> str:
    """The D2 source. Arrows within a grid are straight, so each box is beside the boxes that it acts on."""
    lines, paths = [STYLE], {INTERVIEW: f"c{FRAMED_COLUMN}.upper"}
    for number in range(len(BOXES) // ROWS):
        *upper, lowest = list(BOXES)[number * ROWS : (number + 1) * ROWS]
        paths |= {name: f"c{number}.upper.{name}" for name in upper} | {lowest: f"c{number}.{lowest}"}
        lines += [
            f"c{number}: {{class: column",
            f"  upper: {{class: {'frame' if number == FRAMED_COLUMN else 'upper'}",
            *(f"    {_declared(name)}" for name in upper),
            f"  }}\n  {_declared(lowest)}\n}}",
        ]
    for start, end, verb in ARROWS:
        kind = "way" if verb[0].isdigit() else "act"
        lines.append(f"{paths[start]} -> {paths[end]}: {json.dumps(verb)} {{class: {kind}}}")
    return "\n".join([*lines, ""])


def _declared(name: str) -> str:
    box = BOXES[name]
    icon = f"; icon: {box.icon} " if box.icon else ""
    return f"{name}: {json.dumps(box.title)} {{class: [box; {box.kind}]{icon}}}"
