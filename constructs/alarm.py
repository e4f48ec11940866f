"""One CloudWatch alarm, and the topic that alarms go to."""

from collections.abc import Mapping
from dataclasses import dataclass

from constructs import Construct
from constructs.aws import (
    CloudwatchMetricAlarm,
    CloudwatchMetricAlarmMetricQuery,
    CloudwatchMetricAlarmMetricQueryMetric,
)
from constructs.metric import Metric


@dataclass(frozen=True)
class AlarmTopic:
    """The SNS topic that alarms go to, and the prefix of their names."""

    arn: str
    project_prefix: str


class Alarm(CloudwatchMetricAlarm):
    """An alarm when a ``metric``, an ``expression`` of ``metrics`` or a ``query`` is ``above`` or ``below`` a number.

    ``period`` is in seconds; of the last ``periods``, all or ``breaching`` must agree. The ``topic`` is notified when
    the alarm begins and when it ends. Its ``name`` is by default the id; ``runbook`` is the heading of its paragraph in
    docs/operations.md, by default the name in words.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        description: str,
        metric: Metric | None = None,
        *,
        topic: AlarmTopic,
        name: str = "",
        metrics: Mapping[str, Metric] | None = None,
        expression: str = "",
        query: str = "",
        above: float | None = None,
        below: float | None = None,
        period: int = 300,
        periods: int = 1,
        breaching: int | None = None,
        missing: str = "notBreaching",
        runbook: str = "",
    ) -> None:
        name = name or id
        queries = [
            CloudwatchMetricAlarmMetricQuery(
                id=metric_id,
                metric=CloudwatchMetricAlarmMetricQueryMetric(
                    namespace=part.namespace,
                    metric_name=part.name,
                    stat=part.statistic,
                    period=period,
                    dimensions=dict(part.dimensions),
                ),
                return_data=False,
            )
            for metric_id, part in (metrics or {}).items()
        ]
        if expression:
            queries.append(CloudwatchMetricAlarmMetricQuery(id="result", expression=expression, return_data=True))
        if query:
            queries.append(
                CloudwatchMetricAlarmMetricQuery(id="result", expression=query, period=period, return_data=True)
            )
        super().__init__(
            scope,
            id,
            alarm_name=f"{topic.project_prefix}-{name.replace('_', '-')}",
            alarm_description=f"{description}; docs/operations.md, {runbook or name.replace('_', ' ').capitalize()}",
            namespace=metric.namespace if metric else None,
            metric_name=metric.name if metric else None,
            statistic=metric.statistic if metric else None,
            dimensions=dict(metric.dimensions) if metric else None,
            period=period if metric else None,
            metric_query=queries or None,
            comparison_operator="GreaterThanThreshold" if below is None else "LessThanThreshold",
            threshold=above if below is None else below,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching,
            treat_missing_data=missing,
            alarm_actions=[topic.arn],
            ok_actions=[topic.arn],
        )
