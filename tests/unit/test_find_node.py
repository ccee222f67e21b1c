"""find_node and the requests that it costs: a hundred launches at once must not ask AWS more than it takes.

Covers: the first look, what is asked once and what at each look, heartbeats, successful launches of managed groups, of
hooked groups and of strangers, a node that gets a new root volume before and after its restart.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gpuops.domain.admission.event import Hook
from gpuops.domain.admission.pace import Boots
from gpuops.domain.cluster import Node
from gpuops.domain.keys import BOOT_BEFORE, QUARANTINED
from gpuops.domain.policy import Policy
from tests.fakes.admission import FakeCluster, FakeInstances, FakeMemory
from tests.fakes.apps import load_app
from tests.unit.test_admission_functions import EVENT, GROUP, HOOK, INSTANCE, NAME, NODE, NOW, OBSERVED, POLICY, RUN

CHECK = load_app("check_node")

FIND = load_app("find_node")
LAUNCHED: dict[str, Any] = {
    "detail-type": "EC2 Instance Launch Successful",
    "detail": {"EC2InstanceId": INSTANCE, "AutoScalingGroupName": "gpu", "StatusCode": "InProgress"},
}
TIMED = HOOK.model_copy(update={"heartbeat_seconds": 900})
ROOT: dict[str, Any] = {**EVENT, "detail": {**EVENT["detail"], "Action": "ReplaceRootVolume"}}
CLOSED = replace(NODE, boot_id="boot-1", annotations={QUARANTINED: NOW.isoformat(), BOOT_BEFORE: "boot-1"})


class Counted(FakeInstances):
    """Counts what AWS is asked."""

    def __init__(self, lifecycle: str | None = "Pending:Wait", hook: Hook | None = TIMED) -> None:
        super().__init__(lifecycle, hook=hook)
        self.asked: Counter[str] = Counter()

    def private_dns(self, instance: str) -> str:
        """See Instances."""
        self.asked["private_dns"] += 1
        return super().private_dns(instance)

    def lifecycle(self, instance: str) -> str | None:
        """See Instances."""
        self.asked["lifecycle"] += 1
        return super().lifecycle(instance)

    def launch_hook(self, group: str, name: str = "") -> Hook | None:
        """See Instances."""
        self.asked["launch_hook"] += 1
        return super().launch_hook(group, name)


def look(
    instances: FakeInstances,
    cluster: FakeCluster,
    event: Any,
    seconds: int = 0,
    policy: Policy = POLICY,
    *,
    memory: FakeMemory | None = None,
    **more: Any,
) -> Any:
    """One look, so many seconds after the first."""
    given = {"event": event, "execution": {"id": RUN["execution"], "name": "run-1", "machine": "admit_node"}, **more}
    now = NOW + timedelta(seconds=seconds)
    return FIND.find(
        FIND.Request.model_validate(given), now, policy, instances, lambda _: cluster, memory=memory or FakeMemory()
    )


def looks(
    instances: FakeInstances, cluster: FakeCluster, event: Any, *seconds: int, policy: Policy = POLICY, **more: Any
) -> list[Any]:
    """Look after look, each with the answer of the one before."""
    answers: list[Any] = []
    for at in (0, *seconds):
        before = {"find": answers[-1].model_dump()} if answers else {}
        answers.append(look(instances, cluster, event, at, policy, **before, **more))
    return answers


def test_the_first_look_asks_nobody_and_the_others_one_question() -> None:
    """Whose hook it is, its timeout and the node's name do not change."""
    instances = Counted()

    first, *_, last = looks(instances, FakeCluster(), EVENT, 30, 60, 90, 120)

    assert (first.status, 60 <= first.wait_seconds <= 90) == ("waiting", True)
    assert instances.asked == {"lifecycle": 4, "private_dns": 1, "launch_hook": 1}
    assert (last.hook, last.since) == (TIMED, NOW)


def test_the_hook_hears_of_us_only_when_it_must() -> None:
    """A third of its 900 seconds."""
    instances = Counted()

    looks(instances, FakeCluster(), EVENT, *range(30, 930, 30))

    assert instances.beats == 3


def test_reconcile_and_people_need_not_wait() -> None:
    """They ask for one instance, which is there already."""
    found = look(Counted("InService"), FakeCluster(NODE), {"group": "gpu", "instance": INSTANCE})

    assert (found.status, found.hook) == ("found", None)


def test_a_successful_launch_of_a_group_without_our_hook_is_admitted() -> None:
    """EKS makes the Auto Scaling groups of managed node groups: no hook of ours is on them."""
    instances = Counted("InService", hook=None)

    answers = looks(instances, FakeCluster(NODE), LAUNCHED, 30)

    assert [answer.status for answer in answers] == ["waiting", "found"]
    assert (answers[-1].hook, instances.beats) == (None, 0)


def test_a_successful_launch_of_a_group_with_our_hook_is_not_admitted_twice() -> None:
    """The hook's own event started an admission, which may be at its last step now."""
    first, second = looks(Counted("InService"), FakeCluster(NODE), LAUNCHED, 30)

    assert (first.status, second.status) == ("waiting", "ignored")
    assert second.reason == f"{INSTANCE}: the group's hook gpuops-admit has it admitted"


def test_a_successful_launch_of_a_stranger_is_ignored_and_costs_nothing() -> None:
    """Every launch in the account gets here."""
    instances = Counted("InService")
    stranger = {**LAUNCHED, "detail": {**LAUNCHED["detail"], "AutoScalingGroupName": "web"}}

    ignored = look(instances, FakeCluster(NODE), stranger)

    assert (ignored.status, ignored.reason) == ("ignored", f"{INSTANCE}: group web is not in the policy")
    assert not instances.asked


def test_a_successful_launch_in_mode_observe_loses_its_taint() -> None:
    """Nobody else would take it off."""
    answers = looks(Counted("InService", hook=None), FakeCluster(NODE), LAUNCHED, 30, policy=OBSERVED)

    assert [answer.status for answer in answers] == ["waiting", "unchecked"]


def test_a_node_that_gets_a_new_root_volume_is_handed_to_its_quarantine() -> None:
    """With the hook that waits."""
    answers = looks(Counted("ReplacingRootVolume:Wait"), FakeCluster(replace(NODE, taints=())), ROOT, 30)

    assert [answer.status for answer in answers] == ["waiting", "replacing"]
    assert (answers[-1].node, answers[-1].hook) == (NAME, TIMED)


def continued(at: datetime) -> dict[str, Any]:
    """The quarantine's last answer."""
    return {"status": "continued", "reason": "empty", "at": at, "wait_seconds": 60}


def test_after_its_hook_was_answered_the_restart_is_waited_for_with_a_deadline_of_its_own() -> None:
    """The drain may have taken a day; and a hook that was answered must never be told ABANDON."""
    day = 86_400
    emptied = NOW + timedelta(seconds=day)
    cluster = FakeCluster(CLOSED)
    instances = Counted("InService")
    before = look(instances, cluster, {"group": "gpu", "instance": INSTANCE})

    def again(seconds: int) -> Any:
        more = {"find": before.model_dump(), "quarantine": continued(emptied)}
        return look(instances, cluster, ROOT, day + seconds, **more)

    waiting = again(60)
    cluster.known[NAME] = replace(CLOSED, boot_id="boot-2")
    back = again(120)

    assert (waiting.status, waiting.hook, back.status, back.hook) == ("waiting", None, "found", None)
    assert waiting.deadline == emptied + timedelta(minutes=GROUP.admission.deadline_minutes)
    assert "has not restarted" in waiting.reason


@pytest.mark.parametrize("event", [ROOT, {"group": "gpu", "instance": INSTANCE}])
def test_a_node_that_never_restarts_is_overdue(event: Any) -> None:
    """It stays closed: nobody knows what became of its root volume."""
    cluster, instances = FakeCluster(CLOSED), Counted("InService")

    before = look(instances, cluster, {"group": "gpu", "instance": INSTANCE})

    overdue = look(instances, cluster, event, 86_400, find=before.model_dump(), quarantine=continued(NOW))

    assert (overdue.status, overdue.hook) == ("overdue", None)


def test_the_next_launch_of_the_group_is_looked_at_when_this_one_was_complete() -> None:
    """By its own word, however late it is looked at; with the hook's timeout, where an event told of the launch."""
    memory, instances, empty, there = FakeMemory(), Counted(), FakeCluster(), FakeCluster(NODE)
    first = look(instances, empty, EVENT, memory=memory)
    found = look(instances, there, EVENT, 230, find=first.model_dump(), memory=memory)
    asked = look(instances, there, {"group": "gpu", "instance": INSTANCE}, memory=memory)
    assert (found.status, asked.status, found.boots, asked.boots) == ("found", "found", True, False)

    booting = check(found, replace(NODE, ready=False, turned=NOW + timedelta(seconds=180)), memory)
    early = replace(BOOTED, turned=NOW)
    for of, node in ((asked, BOOTED), (found, NODE), (found, replace(BOOTED, gpus=0)), (found, early)):
        check(of, node, memory)
        assert memory.boots("gpu") is None
    assert check(found, BOOTED, memory, before=booting).status == "ready"

    assert memory.boots("gpu") == Boots({INSTANCE: 200}, {INSTANCE: 20}, 900)
    known = look(instances, empty, EVENT, memory=memory)
    assert (known.settling, known.wait_seconds >= 200 > first.wait_seconds) == (20, True)
    assert look(instances, there, EVENT, 230, find=known.model_dump(), memory=memory).settling == 20


def test_a_node_that_gets_ready_is_looked_at_when_it_should_be_complete() -> None:
    """Ten seconds after it is Ready, or usually is; as soon and often as before where nobody knows when that is."""
    memory, instances = FakeMemory(), Counted()
    memory.keep_boots("gpu", Boots({INSTANCE: 200}, {INSTANCE: 20}, 900))
    first = look(instances, FakeCluster(), EVENT, memory=memory)
    found = look(instances, FakeCluster(NODE), EVENT, 205, find=first.model_dump(), memory=memory)
    booting = replace(NODE, ready=False, turned=NOW + timedelta(seconds=190))

    def pause(node: Node, settling: int | None = 20) -> int:
        """After a look at 205 seconds at this node."""
        seconds = check(found.model_copy(update={"settling": settling}), node, memory, at=205).wait_seconds
        assert isinstance(seconds, int)
        return seconds

    assert pause(booting) == 190 + 20 + 10 - 205
    assert pause(replace(booting, ready=True, turned=NOW + timedelta(seconds=200), gpus=0)) == 5
    assert pause(booting, settling=3600) == 190 + 60 + 10 - 205
    assert 10 <= pause(booting, settling=None) <= 15
    assert 10 <= pause(replace(booting, turned=NOW)) <= 15


BOOTED = replace(NODE, turned=NOW + timedelta(seconds=200))


def check(found: Any, node: Node, memory: FakeMemory, at: int = 230, before: Any = None) -> Any:
    """check_node looks at the node so many seconds after its launch."""
    configure = {"reason": "r", "config": "exclusive", "replicas": 1}
    given = {"run": found.run, "find": found.model_dump(), "configure": configure, "check": before and dict(before)}
    request, now = CHECK.Request.model_validate(given), NOW + timedelta(seconds=at)
    return CHECK.check(request, now, FakeCluster(node), Counted(), memory=memory)
