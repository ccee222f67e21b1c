"""mark_nodes: as many soft taints as the plan says on every node that it names, and none while the stack is stopped."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from tests.fakes.apps import load_app

MARK = load_app("mark_nodes")


@dataclass
class World:
    """A cluster that writes down what it is told."""

    stopped: Any = None
    marked: dict[str, int] = field(default_factory=dict)
    wishes = property(lambda self: self)

    def stop(self) -> Any:
        """The stop that stands."""
        return self.stopped

    def cluster(self, name: str) -> "World":
        """Itself."""
        assert name == "demo"
        return self

    def mark(self, name: str, marks: int) -> None:
        """Write it down."""
        self.marked[name] = marks


def test_every_node_bears_what_the_plan_says() -> None:
    """Again and again."""
    world, wanted = World(), MARK.Wanted(cluster="demo", marks={"b": 0, "a": 2})
    for _ in range(2):
        answer = MARK.mark(wanted, world)
        assert (answer.status, world.marked) == ("marked", {"a": 2, "b": 0})
    assert answer.reason == "2 nodes bear other taints than before"


def test_nothing_is_marked_while_the_stack_is_stopped() -> None:
    """Somebody said so."""
    world = World(stopped=SimpleNamespace(said="stopped by ops"))
    answer = MARK.mark(MARK.Wanted(cluster="demo", marks={"a": 1}), world)
    assert (answer.status, answer.reason, world.marked) == ("stopped", "stopped by ops", {})


def test_more_than_four_is_no_wish() -> None:
    """There are no more keys."""
    with pytest.raises(ValidationError):
        MARK.Wanted(cluster="demo", marks={"a": 5})
