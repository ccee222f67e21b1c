"""What a roll cost: state transitions, calls, and dollars.

| what | price in us-east-1 | source |
|---|---|---|
| state transition | $0.025 for 1,000 | AWS Step Functions pricing, Standard workflows |
| Lambda's time | $0.0000133334 for a GB-second on arm64 | AWS Lambda pricing |
| Lambda's request | $0.20 for 1,000,000 | AWS Lambda pricing |
| DynamoDB's request | $0.625 for 1,000,000 written, $0.125 read | AWS DynamoDB pricing, on-demand capacity |

No free tier is taken off. An invocation is billed for its charged second at the template's memory. A DynamoDB call
counts as one unit, a transaction as two for each of its at most three items, and a query as a unit for every eleven
nodes: it reads the claims of the whole group, a third of a kilobyte each, and a unit is four. Not counted: logs, S3,
EventBridge, and the surge's instances, which cost a hundred times as much as all the rest.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from rehearsal.lambdas import CHARGE_SECONDS
from rehearsal.report import ExecutionResult
from rehearsal.wire import read_record

MACHINES = {
    "rotate_ami": "RotateAmi",
    "replace_node": "ReplaceNode",
    "admit_node": "AdmitNode",
    "smoke_node": "SmokeNode",
}
"""Those that a roll runs, and what the names of their roles contain."""
TRANSITION = 0.025 / 1000
GB_SECOND, REQUEST = 0.0000133334, 0.20 / 1_000_000
WRITE, READ = 0.625 / 1_000_000, 0.125 / 1_000_000
UNITS = {
    "PutItem": WRITE,
    "UpdateItem": WRITE,
    "DeleteItem": WRITE,
    "TransactWriteItems": 6 * WRITE,
    "GetItem": READ,
}
CLAIMS_A_UNIT = 11
MEMORY_GB = 0.25
"""The template's MemorySize; a test compares them."""

Call = Mapping[str, Any]


@dataclass(frozen=True)
class Bill:
    """Of a whole roll."""

    transitions: int
    calls: int
    dollars: float


def bill_of(executions: Iterable[ExecutionResult], wire: Path, nodes: int) -> Bill:
    """Count what the four machines of a roll entered, and what their functions asked of AWS and the cluster."""
    transitions = sum(len(execution.states) for execution in executions if execution.machine in MACHINES)
    calls = read_record(wire)
    invoked = Counter(call["resource"].rpartition(":")[2] for call in calls if _invokes(call))
    asked = [call for call in calls if call["caller"] in invoked]
    units = UNITS | {"Query": READ * ceil(nodes / CLAIMS_A_UNIT)}
    requests = sum(units[call["action"]] for call in asked if call["service"] == "dynamodb")
    lambdas = invoked.total() * (REQUEST + MEMORY_GB * CHARGE_SECONDS * GB_SECOND)
    return Bill(transitions, len(asked), transitions * TRANSITION + lambdas + requests)


def _invokes(call: Call) -> bool:
    """Whether one of the four machines invokes a function."""
    role = str(call["role"] or "").rpartition("/")[2]
    return call["action"] == "Invoke" and any(f"-{name}Role-" in role for name in MACHINES.values())
