"""The verdict on canaries: what is bad, what is neither, and how long one waits.

Covered: alarms that ring, rang, have no data; Xids by the table; readiness that changed between two looks, told only by
the apiserver's own words; pods that crash here and everywhere; a canary that is gone; the pace of the looks.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gpuops.domain.cluster import Node
from gpuops.domain.dcgm.readings import Readings
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.faults.xids import xid_table
from gpuops.domain.rotation.bake import Alarm, Bake, CanaryNode, Look, Verdict, judge_alarms, judge_canary
from gpuops.domain.rotation.crashes import Crashing, blamed, read_crashing
from tests.fakes.rotation import NOW

UUID = "GPU-5d3c1bb4-0e4b-4a8d-9f0a-0123456789ab"
CANARY = CanaryNode("i-1", "node-1", Node(name="node-1"), ready_since="2026-11-23T09:58:00Z")
BAKE = Bake(NOW, 10)


def judge(*nodes: CanaryNode, minutes: float = 1, alarms: Any = (), before: Any = None) -> Verdict:
    """Judge so many minutes after the bake began."""
    look = Look(alarms, nodes or (CANARY,), before or {})
    return judge_canary(look, BAKE, xid_table(), NOW + timedelta(minutes=minutes))


def reading(*xids: int) -> Readings:
    """One GPU with these Xids."""
    return Readings({UUID: GpuSample(uuid=UUID, xids=tuple(xids))})


def test_a_canary_without_a_complaint_bakes_and_is_good_then() -> None:
    """It is looked at every minute; a bake of nothing is over with its first look."""
    early, late = judge(minutes=9.5), judge(minutes=10)

    assert (early.status, early.wait_seconds, judge().wait_seconds) == ("baking", 30, 60)
    assert (late.status, late.reason) == ("good", "10 minutes without a complaint")
    assert judge_canary(Look((), (CANARY,)), Bake(NOW, 0), xid_table(), NOW).status == "good"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(CANARY, node=None), "canary i-1 is gone"),
        (replace(CANARY, node=Node(name="node-1", ready=False, readiness="KubeletNotReady")), "is not Ready: Kubelet"),
        (replace(CANARY, readings=reading(0, 79)), f"{UUID}: Xid 79 (fatal)"),
        (replace(CANARY, readings=reading(999)), f"{UUID}: Xid 999 (unknown)"),
        (replace(CANARY, crashing=[Crashing("default/web-1", "rs", 4, backs_off=True)]), "web-1 restarted 4 times"),
    ],
    ids=["gone", "not ready", "fatal xid", "unknown xid", "crash loop"],
)
def test_what_is_wrong_with_a_canary_is_bad_at_once(seen: CanaryNode, reason: str) -> None:
    """The bake is not waited out: whoever works there suffers."""
    verdict = judge(seen, minutes=0)

    assert verdict.status == "bad"
    assert reason in verdict.reason


def test_a_readiness_that_changed_between_two_looks_is_bad() -> None:
    """Its time is the apiserver's: it may lie ahead of ours, and is only compared with what it said before."""
    first = judge(replace(CANARY, ready_since="2099-01-01T00:00:00Z"))
    same = judge(replace(CANARY, ready_since="2099-01-01T00:00:00Z"), before=first.ready)
    flapped = judge(CANARY, before=first.ready)

    assert (first.status, same.status) == ("baking", "baking")
    assert (flapped.status, flapped.reason) == ("bad", "node-1 was not Ready for a while")


def test_a_tolerated_xid_and_a_missing_exporter_are_not_bad_but_the_latter_is_told() -> None:
    """A program's own mistake says nothing of the board; an exporter that is not there says nothing at all."""
    assert judge(replace(CANARY, readings=reading(13)), minutes=10).status == "good"
    silent = judge(replace(CANARY, readings=Readings(silent="no exporter runs on the node")), minutes=10)
    assert silent.reason.endswith("node-1: Xids were not looked at: no exporter runs on the node")


@pytest.mark.parametrize(
    ("alarm", "status"),
    [
        (Alarm("p99", "ALARM"), "bad"),
        (Alarm("p99", "OK", rang=True), "bad"),
        (Alarm("p99", "OK"), "good"),
        (Alarm("p99", "INSUFFICIENT_DATA"), "good"),
    ],
    ids=["rings", "rang", "quiet", "no data"],
)
def test_an_alarm_that_rings_or_rang_is_bad(alarm: Alarm, status: str) -> None:
    """Without data it is neither good nor bad, and that is told."""
    verdict = judge(minutes=10, alarms=[alarm])

    assert verdict.status == status
    assert (judge_alarms([alarm]) is not None) == (status == "bad")
    assert ("has no data" in verdict.reason) == (alarm.state == "INSUFFICIENT_DATA")


def test_only_the_first_faults_are_told() -> None:
    """A payload travels through every state."""
    many = [replace(CANARY, instance=f"i-{n}", node=None) for n in range(9)]

    assert judge(*many).reason.endswith("; canary i-4 is gone; 4 more")


def pod(name: str, restarts: int, reason: str = "", **meta: Any) -> dict[str, Any]:
    """One item of the pods API."""
    state = {"waiting": {"reason": reason}} if reason else {"running": {}}
    owner = [{"controller": True, "uid": "rs-1"}]
    meta = {"namespace": "default", "name": name, "ownerReferences": owner, **meta}
    return {"metadata": meta, "status": {"containerStatuses": [{"restartCount": restarts, "state": state}]}}


def test_a_pod_that_crashes_everywhere_does_not_speak_against_the_node() -> None:
    """A sister that merely restarted at some time is no excuse; nor is our own smoke pod a pod of the users."""
    seen = read_crashing([pod("web-1", 4, "CrashLoopBackOff"), pod("web-2", 3), pod("quiet", 0)])
    smoke = read_crashing([pod("smoke-1", 9, namespace="gpuops", labels={"gpuops/smoke": "x"})])

    assert [crash.title for crash in blamed(seen, [], 3)] == ["default/web-1"]
    assert blamed(seen, read_crashing([pod("web-9", 8)]), 3)
    assert not blamed(seen, read_crashing([pod("web-9", 8, "CrashLoopBackOff")]), 3)
    assert smoke == []
