"""What IAM asks about a DynamoDB call: tables, indexes and `dynamodb:LeadingKeys`.

Leading keys are how the product's roles are kept apart in one table, so every value of the partition key that a call
touches is read out of it; a Query whose key condition cannot be read is refused rather than passed without them.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rehearsal.wire.conditions import Unjudged
from rehearsal.wire.lookup import Lookup
from rehearsal.wire.policy import Ask
from rehearsal.wire.resources import Params, table

PARTITION_KEY = "pk"
"""Name of the table's partition key; IAM reads it from the table."""
TRANSACTED = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}  # fmt: skip
EQUALITY = re.compile(r"([#\w]+)\s*=\s*(:\w+)")


def _ask(action: str, target: Params, lookup: Lookup, keys: Iterable[str] | None, outer: Params) -> Ask:
    context: dict[str, Sequence[str] | None] = {
        "dynamodb:leadingkeys": None if keys is None else tuple(keys),
        "dynamodb:attributes": None,
        "dynamodb:select": _one(outer.get("Select")),
        "dynamodb:returnvalues": _one(outer.get("ReturnValues", "NONE")),
    }
    resource = table(target, lookup)[0]
    return Ask(f"dynamodb:{action}", resource, context, lambda: lookup.tags_of(resource))


def _one(value: Any) -> Sequence[str] | None:
    return None if value is None else (str(value),)


def _leading(item: Mapping[str, Any]) -> str:
    value = item.get(PARTITION_KEY)
    if not isinstance(value, Mapping) or not value:
        raise Unjudged(f"a DynamoDB item without the partition key {PARTITION_KEY}")
    return str(next(iter(value.values())))


def of_item(action: str, params: Params, lookup: Lookup) -> Sequence[Ask]:
    """GetItem, PutItem, UpdateItem, DeleteItem."""
    return [_ask(action, params, lookup, [_leading(params.get("Key") or params.get("Item") or {})], params)]


def of_query(action: str, params: Params, lookup: Lookup) -> Sequence[Ask]:
    """Query: the value the partition key must equal. On an index the leading key is the index's own."""
    names = params.get("ExpressionAttributeNames", {})
    for name, value in EQUALITY.findall(str(params.get("KeyConditionExpression", ""))):
        if names.get(name, name) == PARTITION_KEY or params.get("IndexName"):
            found = params.get("ExpressionAttributeValues", {}).get(value, {})
            return [_ask(action, params, lookup, [str(v) for v in found.values()], params)]
    raise Unjudged("a Query without an equality on the partition key")


def of_table(action: str, params: Params, lookup: Lookup) -> Sequence[Ask]:
    """Scan, DescribeTable: no leading keys. Mind that ForAllValues holds over none, on AWS too."""
    return [_ask(action, params, lookup, None, params)]


def of_batch(action: str, params: Params, lookup: Lookup) -> Sequence[Ask]:
    """BatchGetItem, BatchWriteItem: one question per table."""
    asks = []
    for name, wanted in params.get("RequestItems", {}).items():
        items = wanted["Keys"] if isinstance(wanted, Mapping) else [_written(w) for w in wanted]
        asks.append(_ask(action, {"TableName": name}, lookup, [_leading(i) for i in items], params))
    return asks


def _written(request: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = request.get("PutRequest", {}).get("Item") or request["DeleteRequest"]["Key"]
    return found


def of_transaction(_action: str, params: Params, lookup: Lookup) -> Sequence[Ask]:
    """IAM knows no TransactWriteItems: each part is checked as the plain action it is."""
    parts = [(kind, part) for item in params.get("TransactItems", []) for kind, part in item.items()]
    return [
        _ask(TRANSACTED[kind], part, lookup, [_leading(part.get("Key") or part.get("Item") or {})], part)
        for kind, part in parts
    ]


ROWS: dict[str, Callable[[str, Params, Lookup], Sequence[Ask]]] = {
    "GetItem": of_item,
    "PutItem": of_item,
    "UpdateItem": of_item,
    "DeleteItem": of_item,
    "Query": of_query,
    "Scan": of_table,
    "DescribeTable": of_table,
    "BatchGetItem": of_batch,
    "BatchWriteItem": of_batch,
    "TransactGetItems": of_transaction,
    "TransactWriteItems": of_transaction,
}
