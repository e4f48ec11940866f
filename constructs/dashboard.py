"""One CloudWatch dashboard: what to look at first when something is wrong."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from constructs import Construct
from constructs.aws import CloudwatchDashboard
from constructs.cluster import Cluster
from constructs.load_balancer import LoadBalancer
from constructs.log_group import LogGroup
from constructs.metric import Metric
from constructs.project import Project
from constructs.reaper import Reaper
from constructs.runner import Runner
from contract.names import METRICS_NAMESPACE

COLUMNS = 24
HEIGHT = 6

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728")
"""CloudWatch's first four; no graph has more lines."""


@dataclass(frozen=True)
class Graph:
    """Lines over time, or with ``is_number`` their last values in large figures.

    ``hidden`` metrics are only what ``math`` (expressions by label) is made of; both use the metrics' keys as ids.
    ``period`` is in seconds.
    """

    title: str
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    hidden: Mapping[str, Metric] = field(default_factory=dict)
    math: Mapping[str, str] = field(default_factory=dict)
    is_number: bool = False
    period: int = 60


class Dashboard(Construct):
    """Interviews, load balancer, tasks, reaper, runner and an estimate of the cost, a row each. Output: ``name``.

    Dollars are an interview's for each hour that it runs, and those of everything that costs without interviews too;
    ``price_list`` says whose prices and of when.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        load_balancer: LoadBalancer,
        cluster: Cluster,
        interview_logs: LogGroup,
        reaper: Reaper,
        runner: Runner,
        interview_dollars_per_hour: float,
        standing_dollars_per_day: float,
        price_list: str,
    ) -> None:
        super().__init__(scope, id)
        rows = [
            _interviews({"Project": project.prefix}),
            _load_balancer({"LoadBalancer": load_balancer.arn_suffix}),
            _tasks({"ClusterName": cluster.name}, {"LogGroupName": interview_logs.name}),
            _reaper({"Project": project.prefix}, {"FunctionName": reaper.name}),
            _runner({"ProjectName": runner.name}),
            _cost({"Project": project.prefix}, interview_dollars_per_hour, standing_dollars_per_day, price_list),
        ]
        # No expression in it holds a quote, so that it can be plain JSON.
        body = json.dumps({"widgets": list(_laid_out(rows, project.account.region))}, indent=1)
        self.name = CloudwatchDashboard(
            self, "dashboard", dashboard_name=project.prefix, dashboard_body=body
        ).dashboard_name


def _graph(title: str, source: Metric, lines: Mapping[str, str], **options: Any) -> Graph:
    """A graph of the metrics named by ``lines``, which are otherwise as ``source``."""
    return Graph(title, {label: replace(source, name=name) for label, name in lines.items()}, **options)


def _interviews(project: Mapping[str, str]) -> list[Graph]:
    source = Metric(METRICS_NAMESPACE, "", "Maximum", project)
    now = {"Active": "Active", "Free slots": "SlotsFree", "Overdue": "Overdue", "Leaking": "Leaking"}
    return [
        _graph("Interviews now", source, now, is_number=True),
        _graph("Interviews and slots", source, {"Active": "Active", "Slots taken": "SlotsTaken"}),
        _graph("Seconds past the deadline", source, {"Longest": "LongestOverdue"}),
    ]


def _load_balancer(balancer: Mapping[str, str]) -> list[Graph]:
    source = Metric("AWS/ApplicationELB", "", "Sum", balancer)
    requests = {
        "Requests": "RequestCount",
        "Open connections": "ActiveConnectionCount",
        "Rejected": "RejectedConnectionCount",
    }
    errors = {"5xx of the load balancer": "HTTPCode_ELB_5XX_Count", "5xx of containers": "HTTPCode_Target_5XX_Count"}
    time = replace(source, name="TargetResponseTime")
    return [
        _graph("Requests and connections", source, requests),
        _graph("Errors", source, errors),
        Graph("Response time in seconds", {p: replace(time, statistic=p) for p in ("p50", "p95")}),
    ]


def _tasks(cluster: Mapping[str, str], log_group: Mapping[str, str]) -> list[Graph]:
    source = Metric("ECS/ContainerInsights", "", "Average", cluster)
    names = ("CpuUtilized", "CpuReserved", "MemoryUtilized", "MemoryReserved")
    return [
        _graph("Tasks", source, {"Services": "ServiceCount", "Tasks": "TaskCount"}),
        Graph(
            "CPU and memory in use, percent",
            hidden={name: replace(source, name=name, statistic="Sum") for name in names},
            math={"CPU": "100 * cpuutilized / cpureserved", "Memory": "100 * memoryutilized / memoryreserved"},
        ),
        Graph("Bytes logged by interviews", {"Bytes": Metric("AWS/Logs", "IncomingBytes", "Sum", log_group)}),
    ]


def _reaper(project: Mapping[str, str], function: Mapping[str, str]) -> list[Graph]:
    ours = {"Passes": "ReaperRuns", "Builds started": "BuildsStarted", "Problems": "Problems"}
    calls = {"Invocations": "Invocations", "Errors": "Errors", "Throttles": "Throttles"}
    passes = Metric("AWS/Lambda", "", "Maximum", function)
    return [
        _graph("Reaper", Metric(METRICS_NAMESPACE, "", "Sum", project), ours, period=300),
        _graph("Reaper's function", replace(passes, statistic="Sum"), calls, period=300),
        _graph("Duration of a pass in milliseconds", passes, {"Longest": "Duration"}, period=300),
    ]


def _runner(project: Mapping[str, str]) -> list[Graph]:
    counts = {"Started": "Builds", "Succeeded": "SucceededBuilds", "Failed": "FailedBuilds"}
    times = {"Queued": "QueuedDuration", "Whole build": "Duration"}
    builds = Metric("AWS/CodeBuild", "", "Sum", project)
    return [
        _graph("Builds", builds, counts, period=300),
        _graph("Duration of a build in seconds", replace(builds, statistic="Maximum"), times, period=300),
    ]


def _cost(project: Mapping[str, str], per_hour: float, per_day: float, price_list: str) -> list[Graph]:
    standing = f"active * 0 + {per_day:.2f}"
    interviews = f"active * {24 * per_hour:.4f}"
    return [
        Graph(
            f"Dollars a day at this rate, an estimate from {price_list}, without traffic, alarms and our metrics",
            hidden={"Active": Metric(METRICS_NAMESPACE, "Active", "Average", project)},
            math={"Always there": standing, "Interviews": interviews, "Together": f"{standing} + {interviews}"},
            period=3600,
        )
    ]


def _laid_out(rows: Sequence[Sequence[Graph]], region: str) -> Any:
    """CloudWatch's widgets for ``rows`` of graphs of equal width
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html).
    """
    for row, graphs in enumerate(rows):
        width = COLUMNS // len(graphs)
        for column, graph in enumerate(graphs):
            yield {
                "type": "metric",
                "x": column * width,
                "y": row * HEIGHT,
                "width": width,
                "height": HEIGHT,
                "properties": {
                    "title": graph.title,
                    "region": region,
                    "view": "singleValue" if graph.is_number else "timeSeries",
                    "period": graph.period,
                    "metrics": [
                        *(_line(metric, id=name.lower(), visible=False) for name, metric in graph.hidden.items()),
                        *(
                            _line(metric, label=label, color=COLOURS[number])
                            for number, (label, metric) in enumerate(graph.metrics.items())
                        ),
                        *(
                            [{"expression": text, "label": label, "color": COLOURS[number]}]
                            for number, (label, text) in enumerate(graph.math.items())
                        ),
                    ],
                }
                | ({} if graph.is_number else {"yAxis": {"left": {"min": 0, "showUnits": False}}}),
            }


def _line(metric: Metric, **options: Any) -> list[Any]:
    dimensions = [part for pair in metric.dimensions.items() for part in pair]
    return [metric.namespace, metric.name, *dimensions, {"stat": metric.statistic} | options]
