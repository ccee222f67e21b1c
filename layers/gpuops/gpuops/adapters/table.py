"""The DynamoDB table as six verbs over plain dictionaries, so that `store` reads like what it stores.

A condition that does not hold is an answer, not an error: the caller knows what it means.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from gpuops.adapters.aws import code_of, error_of, translated

Item = dict[str, Any]
ONE = "-"
"""Sort key of an item that has no siblings."""


@dataclass(frozen=True)
class Condition:
    """An expression over attributes, and its values by placeholder."""

    expression: str
    values: Mapping[str, Any] = field(default_factory=dict)


NEW = Condition("attribute_not_exists(pk)")


class _Lost(Exception):  # noqa: N818 - never leaves this module
    """The condition did not hold."""


class Table:
    """One table with the keys `pk` and `sk`. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb, self._name = dynamodb, name

    def get(self, pk: str, sk: str = ONE) -> Item | None:
        """Return the item as it is now (a consistent read), or None."""
        with translated(f"get {pk}"):
            answer = self._dynamodb.get_item(TableName=self._name, Key=self._key(pk, sk), ConsistentRead=True)
        return self._plain(answer["Item"]) if "Item" in answer else None

    def put(self, pk: str, sk: str, item: Mapping[str, Any], only_if: Condition | None = None) -> bool:
        """Write the item whole; False when the condition did not hold."""
        whole = self._typed({**item, "pk": pk, "sk": sk})
        return self._done("put", pk, "put_item", Item=whole, **self._conditions(only_if, {}))

    def put_all(
        self, pk: str, items: Mapping[str, Mapping[str, Any]], only_if: Mapping[str, Condition] | None = None
    ) -> bool:
        """Write items by their sort keys, all or none; False when a condition does not hold.

        `only_if` has conditions by sort key; every other item must be new.
        """
        puts = [
            {
                "TableName": self._name,
                "Item": self._typed({**item, "pk": pk, "sk": sk}),
                **self._conditions((only_if or {}).get(sk, NEW), {}),
            }
            for sk, item in items.items()
        ]
        try:
            with self._conditional(f"put {pk}"):
                self._dynamodb.transact_write_items(TransactItems=[{"Put": put} for put in puts])
        except _Lost:
            return False
        return True

    def set(
        self, pk: str, expression: str, values: Mapping[str, Any], *, sk: str = ONE, only_if: Condition | None = None
    ) -> bool:
        """Change attributes of the item; False when the condition did not hold."""
        conditions = self._conditions(only_if, values)
        return self._done("set", pk, "update_item", Key=self._key(pk, sk), UpdateExpression=expression, **conditions)

    def count(self, pk: str) -> int:
        """Raise the item's counter by one and return it; no two callers ever get the same number."""
        with translated(f"count {pk}"):
            answer = self._dynamodb.update_item(
                TableName=self._name,
                Key=self._key(pk, ONE),
                UpdateExpression="ADD fencing :one",
                ExpressionAttributeValues=self._typed({":one": 1}),
                ReturnValues="UPDATED_NEW",
            )
        return int(self._plain(answer["Attributes"])["fencing"])

    def delete(self, pk: str, sk: str = ONE, only_if: Condition | None = None) -> bool:
        """Delete the item; False when the condition did not hold."""
        return self._done("delete", pk, "delete_item", Key=self._key(pk, sk), **self._conditions(only_if, {}))

    def query(self, pk: str, prefix: str = "") -> list[Item]:
        """Return every item under the partition key whose sort key begins so, in the order of the sort key."""
        begins, value = (" AND begins_with(sk, :prefix)", {":prefix": prefix}) if prefix else ("", {})
        with translated(f"query {pk}"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._name,
                KeyConditionExpression=f"pk = :pk{begins}",
                ExpressionAttributeValues=self._typed({":pk": pk, **value}),
                ConsistentRead=True,
            )
            return [self._plain(item) for page in pages for item in page["Items"]]

    def _done(self, verb: str, pk: str, operation: str, **arguments: Any) -> bool:
        """Send one write; a condition that does not hold is the answer False."""
        try:
            with self._conditional(f"{verb} {pk}"):
                getattr(self._dynamodb, operation)(TableName=self._name, **arguments)
        except _Lost:
            return False
        return True

    @contextmanager
    def _conditional(self, doing: str) -> Iterator[None]:
        with translated(doing):
            try:
                yield
            except ClientError as error:
                if "ConditionalCheckFailed" in _codes(error):
                    raise _Lost from error
                raise error_of(error, doing) from error

    def _conditions(self, only_if: Condition | None, values: Mapping[str, Any]) -> Item:
        """The arguments that carry a condition and every placeholder's value."""
        everything = {**values, **(only_if.values if only_if else {})}
        arguments: Item = {"ConditionExpression": only_if.expression} if only_if else {}
        return arguments | ({"ExpressionAttributeValues": self._typed(everything)} if everything else {})

    def _key(self, pk: str, sk: str) -> Item:
        return self._typed({"pk": pk, "sk": sk})

    def _typed(self, item: Mapping[str, Any]) -> Item:
        return {name: _attribute(value) for name, value in item.items()}

    def _plain(self, item: Mapping[str, Any]) -> Item:
        return {name: _value(attribute) for name, attribute in item.items()}


def _codes(error: ClientError) -> set[str]:
    """What failed; in a transaction each part says so for itself, and the others say `None`."""
    reasons = error.response.get("CancellationReasons", [])
    return {code_of(error).removesuffix("Exception"), *(str(reason.get("Code")) for reason in reasons)}


def _attribute(value: Any) -> Item:
    """Return a value as DynamoDB writes it; the store knows texts, numbers and sets of texts."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    return {"SS": sorted(value)}


def _value(attribute: Mapping[str, Any]) -> Any:
    """Return what `_attribute` made of it."""
    ((kind, value),) = attribute.items()
    return {"S": str, "N": int, "SS": set}[kind](value)
