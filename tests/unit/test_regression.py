"""Faults after a roll point at its release, and at no other.

Covers who is counted and who is not, the share, the way back in words and through its gate, and that people are asked
once; of a roll under way, that it hears of its newcomers' faults.
"""

import json
import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from gpuops.blame import blame
from gpuops.domain.faults.answers import Repair
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.faults.regression import LEAST, Rolled, may_be_its_doing, regression_of
from gpuops.domain.policy import parse_policy
from gpuops.domain.rotation.target import Target
from tests.fakes.rotation import NEW, NOW, OLD, POLICY, instance
from tests.fakes.rotation import run as roll_run
from tests.fakes.steps import CLOSE, launch, old_world, opened

POLICY_OF = parse_policy(POLICY, "v1").group("gpu")
ROLLED = Rolled(target=Target(ami=OLD, release="1.36.3"), at=NOW, run="roll-1", before="ami-0before")
RUN = roll_run("fault-1", machine="remediate_gpu")
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def world() -> Iterator[Any]:
    """Three nodes that an hour ago were rolled to what they run."""
    with mock_aws():
        made = old_world()
        made.releases.keep_roll("gpu", ROLLED)
        yield made


def repair(number: int, **fault: Any) -> Repair:
    """A node that was just closed."""
    name = instance(number).id
    isolated = {"status": "closed", "reason": "Xid 62", "run": RUN, "node": f"node-{name}", "instance": name}
    found = {"kind": "xid", "xid": 62, "first_seen": LATER, **fault}
    return Repair.model_validate({"run": RUN, "event": {"fault": found}, "isolate": isolated})


@pytest.mark.parametrize(
    ("kind", "ami", "hours", "counts"),
    [
        ("xid", OLD, 23, True),
        ("memory", OLD, 23, True),
        ("xid", OLD, 24, False),
        ("xid", NEW, 1, False),
        ("thermal", OLD, 1, False),
        ("interruption", OLD, 1, False),
    ],
)
def test_what_counts_against_a_roll(kind: Any, ami: str, hours: int, counts: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """A fault of the driver's kind, on a node of the release, within the policy's hours."""
    fault = GpuFault(kind=kind, first_seen=NOW)

    assert may_be_its_doing(ROLLED, fault, ami, POLICY_OF, NOW + timedelta(hours=hours)) == counts


@given(ill=st.integers(0, 40), well=st.integers(0, 400))
def test_a_share_of_the_releases_nodes_and_two_at_least(ill: int, well: int) -> None:
    """Those that were replaced meanwhile count on both sides."""
    rolled = ROLLED.model_copy(update={"faulty": frozenset(f"i-ill{n}" for n in range(ill))})

    told = regression_of(rolled, [f"i-{n}" for n in range(well)], POLICY_OF)

    assert (told is not None) == (ill >= LEAST and ill * 5 >= ill + well)


def test_the_message_names_the_release_and_the_way_back() -> None:
    """The command is one that a shell takes as it is, whatever the group is called."""
    group = POLICY_OF.model_copy(update={"group": "it's; rm -rf $HOME"})
    told = regression_of(ROLLED.model_copy(update={"faulty": frozenset({"i-1", "i-2"})}), ["i-3"], group)

    assert told is not None
    assert "2 of 3 nodes on 1.36.3" in told
    assert "run roll-1" in told
    echo, order, *_ = shlex.split(told[told.index("echo ") :])
    assert (echo, json.loads(order)["group"], json.loads(order)["ami"]) == ("echo", group.group, "ami-0before")


def test_a_roll_of_a_managed_group_knows_no_image_before() -> None:
    """EKS's launch template is its own."""
    told = regression_of(ROLLED.model_copy(update={"before": "", "faulty": frozenset({"i-1", "i-2"})}), [], POLICY_OF)

    assert told is not None
    assert told.endswith("order the release before it by name")


def test_people_are_asked_once_and_the_release_is_held(world: Any) -> None:
    """One fault told twice is one; the third node's is no news."""
    for number in (0, 0):
        blame(repair(number), LATER, world)
    assert world.escalated == []
    for number in (1, 1, 2):
        blame(repair(number), LATER, world)

    (told,) = world.escalated
    held = world.releases.condemned("gpu", OLD)
    assert "2 of 3 nodes" in told["reason"]
    assert held is not None
    assert (held.run, held.why) == ("roll-1", "Xid 62")


@pytest.mark.parametrize(("fault", "at"), [({"kind": "power", "xid": None}, LATER), ({}, NOW + timedelta(hours=24))])
def test_nothing_else_is_counted(world: Any, fault: dict[str, Any], at: Any) -> None:
    """Neither what no driver brings about, nor what comes too late."""
    for number in (0, 1, 2):
        blame(repair(number, **fault), at, world)

    assert (world.escalated, world.releases.condemned("gpu", OLD)) == ([], None)


def test_the_roll_that_is_under_way_hears_of_its_newcomers(world: Any) -> None:
    """They count against its release like those that failed their admission; old nodes do not."""
    opened(world)
    launch(world, 7)

    blame(repair(7), LATER, world)
    blame(repair(0), LATER, world)

    undo = world.store.undo("gpu")
    assert undo is not None
    assert (undo.failed, undo.abandoned) == (frozenset({instance(7).id}), "Xid 62")


def test_a_roll_that_ended_well_is_remembered_with_what_was_before(world: Any) -> None:
    """Not one that went back, nor one that is closed already."""
    opened(world)
    run = roll_run()

    CLOSE.remember_roll(run, LATER, world)

    rolled = world.releases.last_roll("gpu")
    assert rolled is not None
    assert (rolled.target.ami, rolled.run, rolled.before, rolled.faulty) == (NEW, run.id, OLD, frozenset())
    CLOSE.close(run, world)
    world.releases.keep_roll("gpu", ROLLED)
    CLOSE.remember_roll(run, LATER, world)
    assert world.releases.last_roll("gpu") == ROLLED
