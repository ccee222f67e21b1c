"""Log groups, alarms and dashboards. Left out: alarms do not change state by themselves, retention deletes nothing."""

# ruff: noqa: ARG002 - every kind has the same two methods, and few need all that they are given

from __future__ import annotations

from typing import Any

from rehearsal.region.kinds.base import Account, Kind, Product, Properties, arn, ignoring, kind, pick


@kind
class LogGroup(Kind):
    """A log group."""

    type = "AWS::Logs::LogGroup"
    name_property = "LogGroupName"
    name_length = 512
    known = ("LogGroupName", "RetentionInDays", "KmsKeyId", "Tags", "LogGroupClass")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Create it if need be, then its retention."""
        logs = account.client("logs")
        ignoring("ResourceAlreadyExistsException", lambda: logs.create_log_group(logGroupName=name))
        if "RetentionInDays" in properties:
            logs.put_retention_policy(logGroupName=name, retentionInDays=int(properties["RetentionInDays"]))
        return Product(name, {"Arn": arn("logs", f"log-group:{name}:*")})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """With its streams."""
        account.client("logs").delete_log_group(logGroupName=product.physical_id)


_NUMBERS = {"Period": int, "EvaluationPeriods": int, "DatapointsToAlarm": int, "Threshold": float}


def _numbers(node: Any) -> Any:
    if isinstance(node, list):
        return [_numbers(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: _NUMBERS[key](item) if key in _NUMBERS else _numbers(item) for key, item in node.items()}


@kind
class Alarm(Kind):
    """A metric alarm; PutMetricAlarm takes the same properties."""

    type = "AWS::CloudWatch::Alarm"
    name_property = "AlarmName"
    name_length = 255
    known = ("AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions",
             "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit", "Threshold",
             "EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator", "TreatMissingData", "Metrics", "Tags",
             "EvaluateLowSampleCountPercentile", "ThresholdMetricId", "EvaluationCriteria",
             "EvaluationInterval")  # fmt: skip

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Goal, not delta."""
        account.client("cloudwatch").put_metric_alarm(**{**_numbers(properties), "AlarmName": name})
        return Product(name, {"Arn": arn("cloudwatch", f"alarm:{name}")})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """One of many."""
        account.client("cloudwatch").delete_alarms(AlarmNames=[product.physical_id])


@kind
class Dashboard(Kind):
    """A dashboard; its body is checked by moto only."""

    type = "AWS::CloudWatch::Dashboard"
    name_property = "DashboardName"
    known = ("DashboardName", "DashboardBody")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Goal, not delta."""
        body = pick(properties, "DashboardBody")
        account.client("cloudwatch").put_dashboard(DashboardName=name, **body)
        return Product(name)

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """One of many."""
        account.client("cloudwatch").delete_dashboards(DashboardNames=[product.physical_id])
