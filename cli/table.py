"""The stack's table, as a person at the command line opens it."""

from gpuops.adapters.aws import client
from gpuops.adapters.memory import Memory
from gpuops.adapters.table import Table
from gpuops.domain.errors import Invalid, Refused, Unavailable

FAULTS = (Invalid, Refused, Unavailable)
"""What reading or writing the table may raise."""


def open_memory(stack: str) -> Memory:
    """What the stack's table remembers. Raises: ClientError for a stack that is not there."""
    found = client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId="StateTable")
    return Memory(Table(client("dynamodb"), str(found["StackResourceDetail"]["PhysicalResourceId"])))
