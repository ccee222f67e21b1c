"""EventBridge Scheduler."""

# ruff: noqa: ARG002 - every kind has the same two methods, and few need all that they are given

from __future__ import annotations

from rehearsal.region.kinds.base import Account, Kind, Product, Properties, arn, kind, pick


@kind
class Schedule(Kind):
    """One schedule; the clock's timers follow it."""

    type = "AWS::Scheduler::Schedule"
    name_property = "Name"
    create_only = ("GroupName",)
    known = ("Name", "GroupName", "Description", "ScheduleExpression", "ScheduleExpressionTimezone", "State", "Target",
             "FlexibleTimeWindow", "StartDate", "EndDate")  # fmt: skip

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Create or update."""
        scheduler, more = account.client("scheduler"), {k: v for k, v in properties.items() if k != "Name"}
        (scheduler.update_schedule if old else scheduler.create_schedule)(Name=name, **more)
        group = properties.get("GroupName", "default")
        return Product(name, {"Arn": arn("scheduler", f"schedule/{group}/{name}")})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """No more ticks."""
        account.client("scheduler").delete_schedule(Name=product.physical_id, **pick(properties, "GroupName"))


@kind
class ScheduleGroup(Kind):
    """A group of schedules."""

    type = "AWS::Scheduler::ScheduleGroup"
    name_property = "Name"
    known = ("Name", "Tags")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Only a creation does something."""
        if old is None:
            account.client("scheduler").create_schedule_group(Name=name)
        return Product(name, {"Arn": arn("scheduler", f"schedule-group/{name}")})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Its schedules are gone before it."""
        account.client("scheduler").delete_schedule_group(Name=product.physical_id)
