"""Queues, topics, buses and rules."""

# ruff: noqa: ARG002 - every kind has the same two methods, and few need all that they are given

from __future__ import annotations

import json
from typing import Any

from rehearsal.region.kinds.base import Account, Kind, Product, Properties, arn, document, kind, pick


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict) else str(value)


@kind
class Queue(Kind):
    """A queue."""

    type = "AWS::SQS::Queue"
    name_property = "QueueName"
    attributes = ("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
                  "RedrivePolicy", "VisibilityTimeout", "KmsMasterKeyId", "SqsManagedSseEnabled")  # fmt: skip
    known = ("QueueName", "Tags", *attributes)

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Create it, or set its attributes."""
        sqs, wanted = account.client("sqs"), {k: _text(v) for k, v in pick(properties, *self.attributes).items()}
        url = sqs.create_queue(QueueName=name, **({} if old else {"Attributes": wanted}))["QueueUrl"]
        if old and wanted:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted)
        return Product(url, {"Arn": arn("sqs", name), "QueueName": name, "QueueUrl": url})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """With its messages."""
        account.client("sqs").delete_queue(QueueUrl=product.physical_id)


@kind
class QueuePolicy(Kind):
    """Who may send: kept on the queue."""

    type = "AWS::SQS::QueuePolicy"
    known = ("PolicyDocument", "Queues")
    create_only = ("Queues",)

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """On every queue named."""
        self._set(properties, account, document(properties["PolicyDocument"]))
        return Product(name)

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """The queues stay."""
        self._set(properties, account, "")

    @staticmethod
    def _set(properties: Properties, account: Account, text: str) -> None:
        for url in properties["Queues"]:
            account.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})


@kind
class Topic(Kind):
    """A topic with its subscriptions."""

    type = "AWS::SNS::Topic"
    name_property = "TopicName"
    known = ("TopicName", "DisplayName", "KmsMasterKeyId", "Subscription", "Tags")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """CreateTopic is idempotent, and so is Subscribe."""
        sns = account.client("sns")
        topic = sns.create_topic(Name=name, Attributes=pick(properties, "DisplayName", "KmsMasterKeyId"))["TopicArn"]
        for subscription in properties.get("Subscription", []):
            sns.subscribe(TopicArn=topic, **pick(subscription, "Protocol", "Endpoint"))
        return Product(topic, {"TopicArn": topic, "TopicName": name})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """With its subscriptions."""
        account.client("sns").delete_topic(TopicArn=product.physical_id)


@kind
class TopicPolicy(Kind):
    """Who may publish: kept on the topic."""

    type = "AWS::SNS::TopicPolicy"
    known = ("PolicyDocument", "Topics")
    create_only = ("Topics",)

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """On every topic named."""
        text = document(properties["PolicyDocument"])
        for topic in properties["Topics"]:
            account.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=text)
        return Product(name)

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Goes with the topics."""


@kind
class Subscription(Kind):
    """One subscription of a topic."""

    type = "AWS::SNS::Subscription"
    known = ("TopicArn", "Protocol", "Endpoint")
    create_only = known

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Subscribe."""
        return Product(account.client("sns").subscribe(**properties, ReturnSubscriptionArn=True)["SubscriptionArn"])

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Unsubscribe."""
        account.client("sns").unsubscribe(SubscriptionArn=product.physical_id)


@kind
class EventBus(Kind):
    """A bus of our own."""

    type = "AWS::Events::EventBus"
    name_property = "Name"
    known = ("Name", "Description", "Tags")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Only a creation does something."""
        if old is None:
            account.client("events").create_event_bus(Name=name)
        return Product(name, {"Arn": arn("events", f"event-bus/{name}"), "Name": name})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Its rules are gone before it."""
        account.client("events").delete_event_bus(Name=product.physical_id)


@kind
class Rule(Kind):
    """A rule and exactly its targets."""

    type = "AWS::Events::Rule"
    name_property = "Name"
    create_only = ("EventBusName",)
    known = ("Name", "Description", "EventBusName", "EventPattern", "ScheduleExpression", "State", "RoleArn", "Targets")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """The rule, then its targets, then away with what it had before."""
        events, bus = account.client("events"), pick(properties, "EventBusName")
        more = pick(properties, "Description", "ScheduleExpression", "State", "RoleArn", "EventBusName")
        if "EventPattern" in properties:
            more["EventPattern"] = json.dumps(properties["EventPattern"])
        rule_arn = events.put_rule(Name=name, **more)["RuleArn"]
        targets = properties.get("Targets", [])
        if targets:
            events.put_targets(Rule=name, Targets=targets, **bus)
        stale = {t["Id"] for t in (old or {}).get("Targets", [])} - {t["Id"] for t in targets}
        if stale:
            events.remove_targets(Rule=name, Ids=sorted(stale), **bus)
        return Product(name, {"Arn": rule_arn})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Its targets first."""
        events, bus = account.client("events"), pick(properties, "EventBusName")
        ids = [target["Id"] for target in properties.get("Targets", [])]
        if ids:
            events.remove_targets(Rule=product.physical_id, Ids=ids, **bus)
        events.delete_rule(Name=product.physical_id, **bus)
