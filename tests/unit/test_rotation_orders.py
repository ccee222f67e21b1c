"""What wakes a rotation, good and bad: bad input has one clear reason, touches nothing and leaves no lock.

Covered: malformed events, unknown group, wrong cluster, missing AMI, policy typo, missing group, user data that is no
NodeConfig; a pin; our own event; every function called with nothing.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from gpuops.domain.errors import Invalid
from tests.fakes.rotation import NEW, NOW, OLD, POLICY, Images, Templates
from tests.fakes.steps import (
    CLAIM,
    CLOSE,
    EVENT,
    OPEN,
    PLAN,
    RETIRE,
    leftovers,
    old_world,
    plan,
)
from tests.fakes.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Three old nodes, the middle one with a training Job."""
    with mock_aws():
        yield old_world()


BAD_INPUT = [
    (EVENT | {"grup": "gpu"}, {}, "grup"),
    ({"cluster": "train"}, {}, "group"),
    ({"detail-type": "Scheduled Event", "detail": EVENT}, {}, "detail-type is 'Scheduled Event'"),
    (EVENT | {"group": "cpu"}, {}, "group 'cpu' is not in the policy"),
    (EVENT | {"cluster": "other"}, {}, "in cluster train, not in other"),
    (EVENT | {"ami": "ami-0ff0ff0ff0ff0ff0f"}, {}, "does not exist"),
    (EVENT, {"policy": "groups:\n- {cluster: train, grp: gpu}\n"}, "line 2: groups.0.grp"),
    (EVENT, {"policy": POLICY.replace("gpu,", "gone,"), "event": "gone"}, "Auto Scaling group 'gone' does not exist"),
    (EVENT, {"templates": Templates([{"ImageId": OLD, "UserData": "IyEvYmluL2Jhc2gKZWNobyBoaQo="}])}, "NodeConfig"),
]


@pytest.mark.parametrize(("event", "changes", "message"), BAD_INPUT)
def test_bad_input_has_one_reason_and_touches_nothing(
    world: World, event: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    """The plan refuses it before any lock: nothing to release, nothing to put back."""
    event = event | {"group": changes.pop("event")} if "event" in changes else event
    bad = replace(world, **changes)

    with pytest.raises((Invalid, ValueError), match=message):
        plan(bad, event)

    assert (bad.groups.calls, leftovers(bad)) == ([], [])


def test_a_pinned_group_rejects_another_ami(world: World) -> None:
    """The pin is the operator's last word."""
    pinned = f"groups:\n- cluster: train\n  group: gpu\n  ami: {{channel: pinned, id: {NEW}, release: tested}}\n"

    refused = plan(replace(world, policy=pinned), EVENT | {"ami": OLD})

    assert (refused.status, refused.reason) == ("reject", f"the policy pins gpu to {NEW}; the event asks for {OLD}")


def test_our_own_event_names_the_target(world: World) -> None:
    """The rule passes the envelope on verbatim; what it announced is what is rolled to."""
    detail = {**EVENT, "ami": NEW, "release": "announced", "old_amis": [OLD]}

    planned = plan(
        replace(world, images=Images()),
        {"detail-type": "GPU AMI Release Detected", "source": "gpuops", "detail": detail},
    )

    assert (planned.status, planned.target.ami, planned.target.release) == ("roll", NEW, "announced")


@pytest.mark.parametrize("module", [PLAN, OPEN, CLAIM, RETIRE, CLOSE])
def test_a_malformed_event_names_the_field_and_asks_nobody(module: Any) -> None:
    """The function itself, as Lambda calls it: no table, no AWS, one clear reason."""
    field = "event" if module is PLAN else "run"

    with pytest.raises(Invalid, match=f"{field}: Field required"):
        module.handler({"now": NOW.isoformat()}, None)
