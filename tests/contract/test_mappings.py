"""A queue's messages come to its function, as Lambda's event source mapping brings them.

Covered: batches; what is done is deleted; what failed comes again after the visibility timeout, and then lies in the
dead-letter queue; a batch that fails whole; whose keys are used.
"""

from pathlib import Path
from typing import Any

import pytest

QUIET = {"Ticking": "DISABLED"}
FIRST, AGAIN = 5, 40
"""Seconds in which a message is taken, and in which one that failed is taken again and given up."""


@pytest.fixture
def took(world: Any, tmp_path: Path) -> Any:
    """Deploy, and return what the function took so far, batch by batch."""
    world.deploy(**QUIET)
    log = tmp_path / "logs" / f"{world.physical('TakeMessages')}.log"
    return lambda: [line.partition("took ")[2] for line in log.read_text().splitlines() if "took " in line]


def send(world: Any, *bodies: str) -> None:
    """Somebody sends messages to the queue."""
    for body in bodies:
        world.client("sqs").send_message(QueueUrl=world.physical("Work"), MessageBody=body)


def left(world: Any) -> int:
    """How many messages the queue has, whether they can be received now or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = world.client("sqs").get_queue_attributes(QueueUrl=world.physical("Work"), AttributeNames=names)
    return sum(int(found["Attributes"][name]) for name in names)


def test_messages_come_in_batches_and_are_deleted(world: Any, took: Any) -> None:
    """Two at a time, as the mapping says; with the keys of the function's role."""
    send(world, "a", "b", "c")
    world.clock.sleep(FIRST, "test")

    assert took() == ["['a', 'b']", "['c']"]
    assert left(world) == 0
    role = world.client("lambda").get_function_configuration(FunctionName=world.physical("TakeMessages"))["Role"]
    assert (role, "lambda-poller") in world.wire.issued


def test_only_what_failed_comes_again_and_then_lies_in_the_dead_letter_queue(world: Any, took: Any) -> None:
    """The second time alone; after two attempts SQS gives it up."""
    send(world, "bad", "good")
    world.clock.sleep(FIRST, "test")
    assert left(world) == 1
    world.clock.sleep(AGAIN, "test")
    world.clock.sleep(AGAIN, "test")

    assert took() == ["['bad', 'good']", "['bad']"]
    assert left(world) == 0
    assert [message["Body"] for message in world.messages("Lost")] == ["bad"]


def test_a_batch_that_fails_comes_again_whole(world: Any, took: Any) -> None:
    """Nothing of it is deleted."""
    send(world, "crash", "good")
    world.clock.sleep(FIRST, "test")

    assert left(world) == 2
    assert took() == ["['crash', 'good']"]


@pytest.mark.usefixtures("took")
def test_a_mapping_that_is_gone_takes_nothing(world: Any) -> None:
    """As when somebody deletes the stack's resource."""
    world.region.account.mappings.clear()
    send(world, "a")
    world.clock.sleep(FIRST, "test")

    assert left(world) == 1
