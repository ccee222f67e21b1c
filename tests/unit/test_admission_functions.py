"""The functions of an admission over a cluster in memory; each one called twice does no more than once."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gpuops.domain.admission.event import Hook
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Invalid, Unavailable
from gpuops.domain.faults.gpu import GpuRecord
from gpuops.domain.keys import (
    ADMITTED,
    SCALE_DOWN_DISABLED,
    STARTUP_TAINT,
    Taint,
)
from gpuops.domain.policy import GroupPolicy, Policy
from tests.fakes.admission import FakeCluster, FakeInstances, FakeMemory
from tests.fakes.apps import load_app

FIND, CHECK, ADMIT = (load_app(name) for name in ("find_node", "check_node", "admit_instance"))
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)
INSTANCE = "i-0123456789abcdef0"
NAME = "ip-10-0-1-7.ec2.internal"
GPU_TAINT = Taint(key="nvidia.com/gpu", value="true", effect="NoSchedule")
NODE = Node(name=NAME, uid="u1", instance=INSTANCE, taints=(STARTUP_TAINT, GPU_TAINT), gpus=1)
GROUP = GroupPolicy(cluster="demo", group="gpu", mode="apply")
POLICY = Policy(version="v1", groups=(GROUP,))
HOOK = Hook(name="gpuops-admit", group="gpu", token="t")  # noqa: S106 - made up
RUN = {
    "id": "run-1",
    "execution": "arn:aws:states:us-east-1:1:execution:admit:run-1",
    "machine": "admit_node",
    "cluster": "demo",
    "group": "gpu",
    "policy": "v1",
    "mode": "apply",
}
FOUND = {"status": "found", "reason": "r", "instance": INSTANCE, "node": NAME, "deadline": LATER, "hook": HOOK}
EVENT: dict[str, Any] = {
    "detail-type": "EC2 Instance-launch Lifecycle Action",
    "detail": {
        "LifecycleActionToken": "t",
        "AutoScalingGroupName": "gpu",
        "LifecycleHookName": "gpuops-admit",
        "EC2InstanceId": INSTANCE,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    },
}


def find(
    cluster: FakeCluster, instances: FakeInstances, policy: Policy = POLICY, now: datetime = NOW, **more: Any
) -> Any:
    """One call of find_node."""
    given = {"event": EVENT, "execution": {"id": RUN["execution"], "name": "run-1", "machine": "admit_node"}, **more}
    return FIND.find(FIND.Request.model_validate(given), now, policy, instances, lambda _: cluster, memory=FakeMemory())


def test_find_waits_with_a_heartbeat_and_then_finds() -> None:
    """The deadline is set once, by the first call, which asks nobody; a hook whose timeout is unknown hears at each."""
    instances, cluster = FakeInstances(), FakeCluster()

    waiting = find(cluster, instances)
    again = find(cluster, instances, now=NOW + timedelta(minutes=2), find=waiting.model_dump(), run=RUN)
    cluster.known[NAME] = NODE
    found = find(cluster, instances, now=NOW + timedelta(minutes=5), find=again.model_dump(), run=RUN)

    assert (waiting.status, again.status, again.deadline, instances.beats) == ("waiting", "waiting", LATER, 2)
    assert (found.status, found.node, found.deadline, found.hook) == ("found", NAME, LATER, HOOK)
    assert found.run.model_dump() == RUN


def test_find_gives_up_at_the_deadline_without_another_heartbeat() -> None:
    """The hook's own timeout is then the last net."""
    instances = FakeInstances()

    overdue = find(FakeCluster(), instances, now=LATER, find={**FOUND, "node": None}, run=RUN)

    assert (overdue.status, instances.beats) == ("overdue", 0)


OBSERVED = Policy(version="v1", groups=(GROUP.model_copy(update={"mode": "observe"}),))
UNNAMED = Policy(version="v1", groups=(GROUP.model_copy(update={"group": "other"}),))


@pytest.mark.parametrize(
    ("policy", "says"),
    [(OBSERVED, "not checked: mode observe"), (UNNAMED, "not checked: group gpu is not in the policy")],
)
def test_find_hands_on_what_it_must_not_judge_before_it_asks_the_cluster(policy: Policy, says: str) -> None:
    """The hook is ours, whatever the policy says: without an answer every new instance would be replaced for ever."""
    instances = FakeInstances()

    def unreachable(_: str) -> FakeCluster:
        raise Unavailable("no way in")

    mine = {"id": RUN["execution"], "name": "run-1", "machine": "admit_node"}
    request = FIND.Request.model_validate({"event": EVENT, "execution": mine})
    handed = FIND.find(request, NOW, policy, instances, unreachable, memory=FakeMemory())

    assert (handed.status, handed.reason, instances.beats) == ("unchecked", says, 0)
    assert (handed.instance, handed.hook, handed.deadline) == (INSTANCE, HOOK, LATER)
    assert handed.run.model_dump() == {**RUN, "mode": "observe"}


def test_find_does_not_guess_the_cluster_of_a_group_that_is_not_named() -> None:
    """Two clusters in the policy: the hook is answered all the same."""
    two = (*UNNAMED.groups, GROUP.model_copy(update={"group": "third", "cluster": "elsewhere"}))

    handed = find(FakeCluster(NODE), FakeInstances(), Policy(version="v1", groups=two))

    assert (handed.status, handed.run, handed.hook) == ("unchecked", None, HOOK)


def test_find_does_not_hand_on_what_went_away() -> None:
    """Nobody waits any more."""
    gone = find(FakeCluster(NODE), FakeInstances("Terminating:Wait"), OBSERVED)

    assert (gone.status, "Terminating:Wait" in gone.reason) == ("gone", True)


def test_a_policy_that_cannot_be_read_churns_no_instances() -> None:
    """A wrong upload must not cost an instance after the other; the reason names the fault."""
    mine = {"id": RUN["execution"], "name": "run-1", "machine": "admit_node"}
    request = FIND.Request.model_validate({"event": EVENT, "execution": mine})

    handed = FIND.unreadable(request, Invalid("fleet.yaml: line 3: surgee"), FakeInstances())

    assert (handed.status, handed.run, handed.hook) == ("unreadable", None, HOOK)
    assert "line 3: surgee" in handed.reason


def test_find_looks_up_the_hook_that_reconcile_does_not_know() -> None:
    """A lost event leaves an instance waiting at its hook."""
    found = find(FakeCluster(NODE), FakeInstances(hook=HOOK), event={"group": "gpu", "instance": INSTANCE})

    assert found.hook == HOOK


def check(cluster: FakeCluster, instances: FakeInstances, now: datetime = NOW) -> Any:
    """One call of check_node."""
    configure = {"reason": "r", "config": "exclusive", "replicas": 1}
    request = CHECK.Request.model_validate({"run": RUN, "find": FOUND, "configure": configure})
    return CHECK.check(request, now, cluster, instances, memory=FakeMemory())


def test_check_counts_gpus_and_keeps_the_hook_waiting() -> None:
    """Also for the smoke that comes next."""
    instances = FakeInstances()

    ready = check(FakeCluster(NODE), instances)

    assert (ready.status, ready.gpus, ready.allocatable, instances.beats) == ("ready", 1, 1, 1)


def test_check_uses_the_deadline_of_the_whole_admission() -> None:
    """A missing GPU at the deadline is overdue, and no heartbeat asks for more."""
    instances = FakeInstances(gpus=4)

    assert check(FakeCluster(NODE), instances).status == "waiting"
    assert check(FakeCluster(NODE), instances, LATER).status == "overdue"
    assert instances.beats == 1


def test_check_refuses_an_instance_without_gpus() -> None:
    """A policy that names a CPU group is a mistake to be told, not waited for."""
    with pytest.raises(Invalid, match="without NVIDIA GPUs"):
        check(FakeCluster(NODE), FakeInstances(gpus=0))


def admit(cluster: FakeCluster, instances: FakeInstances, *changes: str | None, **more: Any) -> Any:
    """One call of admit_instance with a passed smoke; `changes` is whose change is open, look after look."""
    looks = iter(changes or (None,))
    smoke = {"status": "passed", "reason": "driver 580", "driver": "580.159.03", "cuda": "13.0"}
    given = {"verdict": "admit", "run": RUN, "find": FOUND, "smoke": smoke, **more}
    return ADMIT.admit(ADMIT.Request.model_validate(given), NOW, cluster, instances, lambda: next(looks))


def test_admission_answers_the_hook_and_then_lifts_our_taint_alone() -> None:
    """Twice is as good as once."""
    cluster, instances = FakeCluster(NODE), FakeInstances()

    answers = [admit(cluster, instances) for _ in range(2)]

    assert [answer.status for answer in answers] == ["admitted", "admitted"]
    assert cluster.known[NAME].taints == (GPU_TAINT,)
    seen = {"gpuops/driver": "580.159.03", "gpuops/cuda": "13.0"}
    assert cluster.known[NAME].annotations == {ADMITTED: NOW.isoformat(), **seen}
    assert instances.answers == ["CONTINUE"]


@pytest.mark.parametrize(("looks", "kept"), [(("roll-1", "roll-1"), "roll-1"), (("roll-1", None), None)])
def test_cluster_autoscaler_leaves_a_newcomer_alone_while_the_change_is_open(
    looks: tuple[str | None, ...], kept: str | None
) -> None:
    """A change that closed between our look and our mark had let its nodes go already: so do we."""
    cluster = FakeCluster(NODE)

    admit(cluster, FakeInstances(), *looks)

    assert cluster.known[NAME].kept_for == kept
    assert (SCALE_DOWN_DISABLED in cluster.known[NAME].annotations) is (kept is not None)


class CrashError(Exception):
    """The function died here."""


@pytest.mark.parametrize("act", ["complete", "mark_admitted", "keep", "remove_taint"])
@pytest.mark.parametrize("crash", ["before", "after"])
def test_no_order_of_crashes_opens_a_node_before_its_hook_is_answered(act: str, crash: str) -> None:
    """An open node in a waiting instance takes work, and a hook that then lapses kills it."""
    cluster, instances = FakeCluster(NODE), FakeInstances()
    where: Any = instances if act == "complete" else cluster
    sound = getattr(where, act)

    def die(*arguments: Any) -> None:
        if crash == "after":
            sound(*arguments)
        raise CrashError

    setattr(where, act, die)
    with pytest.raises(CrashError):
        admit(cluster, instances, "roll-1", "roll-1")
    assert cluster.known[NAME].pending or instances.state == "InService"
    setattr(where, act, sound)

    assert admit(cluster, instances, "roll-1", "roll-1").status == "admitted"
    assert (cluster.known[NAME].admitted, cluster.known[NAME].kept_for) == (True, "roll-1")
    assert (instances.answers, instances.state) == (["CONTINUE"], "InService")


@pytest.mark.parametrize(
    ("lapsed", "status"), [("InService", "admitted"), ("Terminating:Wait", "abandoned"), (None, "abandoned")]
)
def test_a_hook_that_lapsed_under_our_answer_is_judged_by_what_became_of_the_instance(
    lapsed: str | None, status: str
) -> None:
    """Auto Scaling says the same of an action that was continued and of one that was abandoned: none is active."""

    class Lapsing(FakeInstances):
        def complete(self, hook: Hook, instance: str, result: str) -> bool:
            self.state = lapsed
            return False

    cluster = FakeCluster(NODE)

    answer = admit(cluster, Lapsing())

    assert (answer.status, cluster.known[NAME].pending) == (status, status == "abandoned")
    assert (ADMITTED in cluster.known[NAME].annotations) is (status == "admitted")


@pytest.mark.parametrize("lifecycle", ["Terminating:Wait", None])
def test_an_instance_whose_hook_did_not_wait_is_not_opened_to_work(lifecycle: str | None) -> None:
    """Its taint stays: pods would be killed with it."""
    cluster = FakeCluster(NODE)

    answer = admit(cluster, FakeInstances(lifecycle))

    assert (answer.status, cluster.known[NAME].pending) == ("abandoned", True)


def test_a_node_that_went_away_is_abandoned() -> None:
    """Also when another instance took its name meanwhile."""
    other = Node(name=NAME, uid="u2", instance="i-0fedcba9876543210", taints=(STARTUP_TAINT,))
    instances, replaced = FakeInstances(), FakeCluster(other)

    assert admit(FakeCluster(), instances).status == "abandoned"
    assert admit(replaced, FakeInstances()).status == "abandoned"
    assert (instances.answers, replaced.known[NAME].pending) == (["ABANDON"], True)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"smoke": {"status": "failed", "reason": "no GPU computed"}}, "no GPU computed"),
        ({"smoke": None, "error": {"name": "Unhealthy", "reason": "the log shows no GPU"}}, "the log shows no GPU"),
        ({"smoke": None, "check": {"status": "overdue", "reason": "0 of 1", "gpus": 1, "allocatable": 0}}, "0 of 1"),
    ],
)
def test_an_abandoned_instance_keeps_its_taint_and_the_reason(more: dict[str, Any], says: str) -> None:
    """The latest step that failed says why."""
    cluster, instances = FakeCluster(NODE), FakeInstances()

    answer = admit(cluster, instances, verdict="abandon", **more)

    assert (answer.status, says in answer.reason) == ("abandoned", True)
    assert (instances.answers, cluster.known[NAME].pending) == (["ABANDON"], True)


@pytest.mark.parametrize("more", [{"find": None, "run": None}, {"find": {**FOUND, "hook": None}}])
def test_without_a_hook_there_is_nothing_to_answer(more: dict[str, Any]) -> None:
    """An event that could not be read, or a group without our hook: the reason still comes back."""
    instances, error = FakeInstances(), {"name": "Invalid", "reason": "event.group: Field required"}

    answer = admit(FakeCluster(NODE), instances, verdict="abandon", error=error, smoke=None, **more)

    assert "event.group: Field required; no hook" in answer.reason
    assert instances.answers == []


def release(cluster: FakeCluster | None, instances: FakeInstances, now: datetime = NOW, **more: Any) -> Any:
    """One call of admit_instance for an instance that is not to be judged; without a cluster none can be reached."""
    found = {**FOUND, "status": "unchecked", "reason": "not checked: mode observe", "node": None}
    request = ADMIT.Request.model_validate({"verdict": "release", "run": RUN, "find": found, **more})

    def connect() -> FakeCluster:
        if cluster is None:
            raise Unavailable("no way in")
        return cluster

    return ADMIT.release(request, now, instances, connect)


def test_an_instance_that_is_not_judged_is_let_in_and_loses_our_taint() -> None:
    """Its hook is answered before its node is there; nobody but us lifts the taint; it does not count as admitted."""
    cluster, instances = FakeCluster(), FakeInstances()

    waiting = release(cluster, instances)
    assert (waiting.status, instances.answers) == ("waiting", ["CONTINUE"])
    cluster.known[NAME] = NODE
    answers = [release(cluster, instances) for _ in range(2)]

    assert [answer.status for answer in answers] == ["released", "released"]
    assert answers[0].reason == f"{NAME}: not checked: mode observe; its startup taint is lifted"
    assert (cluster.known[NAME].taints, cluster.known[NAME].annotations) == ((GPU_TAINT,), {})
    assert instances.answers == ["CONTINUE"]


def test_a_cluster_that_cannot_be_reached_keeps_no_unjudged_instance_waiting() -> None:
    """It was just installed, and its roles are not: scaling goes on."""
    instances = FakeInstances()

    with pytest.raises(Unavailable):
        release(None, instances)

    assert instances.answers == ["CONTINUE"]


@pytest.mark.parametrize(
    ("lifecycle", "now", "more", "says"),
    [
        ("Pending:Wait", LATER, {}, "has registered no node"),
        ("Terminating:Wait", NOW, {}, "is Terminating:Wait"),
        ("Pending:Wait", NOW, {"run": None}, "a startup taint stays on its node"),
    ],
)
def test_a_release_ends_by_itself(lifecycle: str, now: datetime, more: dict[str, Any], says: str) -> None:
    """No node by the deadline, no instance any more, or nobody knows which cluster."""
    answer = release(FakeCluster(), FakeInstances(lifecycle), now, **more)

    assert (answer.status, says in answer.reason) == ("released", True)


ROOT = {**EVENT, "detail": {**EVENT["detail"], "Action": "ReplaceRootVolume"}}


def test_no_pod_loses_its_volume_because_the_policy_cannot_be_read() -> None:
    """The hook waits, people are told; who runs a group that is not ours ordered the new volume himself."""
    unreadable = {**FOUND, "status": "unreadable", "reason": "not checked: no YAML", "node": None}
    instances, told = FakeInstances(), list[dict[str, Any]]()

    held = release(None, instances, event=ROOT, find=unreadable, run=None)
    request = ADMIT.Request.model_validate({"verdict": "release", "event": ROOT, "find": unreadable})
    ADMIT.call_people(held, request, SimpleNamespace(put_escalation=told.append))

    assert (held.status, instances.answers, len(told)) == ("held", [], 1)
    assert "its hook is not answered" in held.reason
    assert release(FakeCluster(NODE), instances, event=ROOT).status == "released"
    assert instances.answers == ["CONTINUE"]


@pytest.mark.parametrize("node", [NODE, None], ids=["unhealthy", "gone"])
def test_an_instance_that_gets_a_new_root_volume_is_never_abandoned(node: Node | None) -> None:
    """Its pods would die with it."""
    cluster, instances = FakeCluster(*[node] if node else []), FakeInstances()

    answer = admit(cluster, instances, verdict="abandon" if node else "admit", event=ROOT)

    assert (answer.status, instances.answers) == ("held", [])


@pytest.mark.parametrize(
    ("verdict", "event", "hook", "status", "told"),
    [
        ("abandon", EVENT, None, "abandoned", 1),
        ("abandon", EVENT, FOUND["hook"], "abandoned", 0),
        ("abandon", ROOT, FOUND["hook"], "held", 1),
        ("hold", EVENT, FOUND["hook"], "held", 0),
    ],
)
def test_people_are_called_where_auto_scaling_replaces_nothing(
    verdict: str, event: Any, hook: Any, status: str, told: int
) -> None:
    """A bad instance that stays, behind its taint or under its pods."""
    given = {"verdict": verdict, "event": event, "run": RUN, "find": {**FOUND, "hook": hook}}
    request, heard = ADMIT.Request.model_validate(given), list[dict[str, Any]]()

    answer = ADMIT.Admitted(status=status, reason="no GPU computed")
    ADMIT.call_people(answer, request, SimpleNamespace(put_escalation=heard.append))

    assert [(one["instance"], one["reason"]) for one in heard] == [(INSTANCE, "no GPU computed")] * told


@pytest.mark.parametrize(
    ("status", "said"), [("abandoned", "was abandoned"), ("released", "was let in unjudged"), ("admitted", None)]
)
def test_the_roll_that_waits_is_told_why_its_newcomer_is_none(status: str, said: str | None) -> None:
    """It waits for an instance that will not come: without this its reason would only be that time ran out.

    Only one that was abandoned has failed, and counts against the release.
    """

    class Notes(list[tuple[str, str, str | None]]):
        def tell_abandoned(self, group: str, why: str, failed: str | None = None) -> None:
            self.append((group, why, failed))

    notes: Any = Notes()
    request = ADMIT.Request.model_validate({"verdict": "admit", "run": RUN, "find": FOUND})

    ADMIT.tell(ADMIT.Admitted(status=status, reason="no GPU computed"), request, notes)

    failed = INSTANCE if status == "abandoned" else None
    assert notes == ([(RUN["group"], f"{INSTANCE} {said}: no GPU computed", failed)] if said else [])


def hold(instances: FakeInstances, **more: Any) -> Any:
    """One call of admit_instance after a failure of ours."""
    error = {"name": "Refused", "reason": "create jobs: HTTP 403"}
    given = {"verdict": "hold", "event": EVENT, "run": RUN, "find": FOUND, "error": error, **more}
    return ADMIT.hold(ADMIT.Request.model_validate(given), instances)


@pytest.mark.parametrize("find", [FOUND, None], ids=["found", "find_node failed"])
def test_a_failure_of_ours_lets_the_instance_in_behind_its_taint(find: dict[str, Any] | None) -> None:
    """Replacing instances would not mend it; the event knows the hook where nothing else does."""
    instances = FakeInstances()

    answers = [hold(instances, find=find) for _ in range(2)]

    assert [answer.status for answer in answers] == ["held", "held"]
    assert answers[0].reason == "create jobs: HTTP 403; held behind its startup taint until reconcile admits it"
    assert instances.answers == ["CONTINUE"]


@pytest.mark.parametrize(
    "more",
    [
        {"event": {**EVENT, "detail": {**EVENT["detail"], "Action": "ReplaceRootVolume"}}},
        {"find": {**FOUND, "hook": None}},
        {"find": None, "event": {"what": "is this"}},
    ],
    ids=["its pods would die", "no hook", "unreadable"],
)
def test_where_no_hook_of_a_launch_waits_a_hold_answers_none(more: dict[str, Any]) -> None:
    """The reason comes back all the same."""
    instances = FakeInstances()

    held = hold(instances, **more)

    assert (held.status, held.reason, instances.answers) == ("held", "create jobs: HTTP 403", [])


def test_an_instance_that_left_meanwhile_is_held_nowhere() -> None:
    """Said so, for reconcile will never see it."""
    assert "Terminating" in hold(FakeInstances("Terminating")).reason


def test_a_board_that_is_remembered_as_faulty_is_refused_and_escalated() -> None:
    """EC2 hands the same one out again; only AWS can take it out."""
    told: list[dict[str, Any]] = []
    bus: Any = SimpleNamespace(put_escalation=told.append)
    instances, known = FakeInstances(), GpuRecord(uuid="GPU-1", fault="Xid 79", instance="i-0", node="n0", at=NOW)
    request = ADMIT.Request.model_validate({"verdict": "admit", "run": RUN, "find": FOUND})

    answer = ADMIT.refuse(request, [known], instances, bus)

    assert (answer.status, instances.answers) == ("abandoned", ["ABANDON"])
    assert answer.reason == "it has a GPU that is remembered as faulty: GPU-1 (Xid 79 on i-0, 2026-11-23)"
    assert told == [{"cluster": "demo", "group": "gpu", "instance": INSTANCE, "node": NAME, "reason": answer.reason}]
