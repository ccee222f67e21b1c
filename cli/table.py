"""The stack's table and policy, as a person at the command line opens them."""

import os
from typing import Any

from gpuops.adapters.aws import client
from gpuops.adapters.memory import Memory
from gpuops.adapters.table import Table
from gpuops.adapters.world import World
from gpuops.domain.errors import Invalid, Refused, Unavailable

FAULTS = (Invalid, Refused, Unavailable)
"""What reading or writing the table may raise."""


def open_memory(stack: str) -> Memory:
    """What the stack's table remembers. Raises: ClientError for a stack that is not there."""
    return Memory(Table(client("dynamodb"), _physical(client("cloudformation"), stack, "StateTable")))


def open_world(stack: str) -> World:
    """Return the functions' own adapters over the stack's table and policy, with the rights of whoever asks.

    Not over its bus and reports: nothing can be announced or written there. Raises: ClientError for a stack that is
    not there.
    """
    cloudformation = client("cloudformation")
    os.environ |= {
        "TABLE_NAME": _physical(cloudformation, stack, "StateTable"),
        "POLICY_BUCKET": _physical(cloudformation, stack, "PolicyBucket"),
        "POLICY_KEY": "fleet.yaml",
    }
    return World()


def _physical(cloudformation: Any, stack: str, logical: str) -> str:
    """What the stack's resource became."""
    found = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=logical)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])
