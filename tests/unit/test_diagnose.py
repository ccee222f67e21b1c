"""What is done about a fault: the table, Xid 154, the policy's word, thresholds, other jobs, and what did not hold.

Covers also whose pod is meant, and that the table is whole.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.dcgm.sample import GpuSample, PodShare
from gpuops.domain.errors import Invalid
from gpuops.domain.faults.actions import HARMLESS, REPAIRS, Action, closes, next_step
from gpuops.domain.faults.attempts import Attempt, attempt_of
from gpuops.domain.faults.diagnose import Case, diagnose, first_word, name_of, words_of
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.faults.recovery import recovery_of
from gpuops.domain.faults.suspect import Suspect, job_of, suspect_of
from gpuops.domain.faults.xids import TABLE, parse_table, xid_table
from gpuops.domain.pods import Pod
from gpuops.domain.policy import Remediation
from tests.fakes.rotation import NOW

POLICY = Remediation()
WEB = Pod("default", "web-0", uid="u0", owner="ReplicaSet", controller="web", gpus=1)
CHANGED = "NVRM: Xid (PCI:0018:01:00): 154, GPU recovery action changed from 0x0 (None) to 0x{} ({})"


def xid(number: int, *evidence: str, **more: Any) -> GpuFault:
    """A fault of this Xid."""
    return GpuFault(kind="xid", xid=number, first_seen=NOW, evidence=evidence, **more)


def case(fault: GpuFault, *past: Attempt, policy: Remediation = POLICY, suspect: Suspect | None = None) -> Case:
    """The fault, decided now."""
    return Case(fault, xid_table(), policy, NOW, past, suspect)


def tried(action: Action, fault: GpuFault, minutes: int = 60, job: str = "") -> Attempt:
    """An attempt so long ago, in a run of its own."""
    return attempt_of(fault, action, f"run-{action}-{minutes}", NOW - timedelta(minutes=minutes), job)


@pytest.mark.parametrize(
    ("number", "action"),
    [(63, "none"), (48, "reset"), (74, "reset"), (151, "reboot"), (79, "replace"), (54, "replace"), (142, "replace")],
)
def test_the_table_decides(number: int, action: str) -> None:
    """NVIDIA's immediate action, as ours."""
    assert diagnose(case(xid(number))).action == action


@pytest.mark.parametrize(
    ("number", "action"), [(78, "roll_ami"), (61, "escalate"), (154, "escalate"), (998, "escalate")]
)
def test_what_no_repair_mends_or_nobody_knows_is_for_a_person(number: int, action: str) -> None:
    """Behind a closed node; never a guess."""
    decided = diagnose(case(xid(number)))

    assert decided.action == action
    assert closes(decided.action)


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        *[("memory", "reset"), ("link", "reset"), ("thermal", "relieve"), ("power", "relieve")],
        *[("interruption", "evacuate"), ("rebalance", "replace"), ("maintenance", "replace")],
        ("hardware", "escalate"),
    ],
)
def test_a_fault_without_an_xid_is_decided_by_its_kind(kind: Any, action: str) -> None:
    """A person for all that is vague."""
    assert diagnose(case(GpuFault(kind=kind, first_seen=NOW))).action == action


@pytest.mark.parametrize(
    ("code", "words", "action"),
    [("1", "GPU Reset Required", "reset"), ("2", "Node Reboot Required", "reboot"), ("4", "Drain and Reset", "reset")],
)
def test_the_drivers_own_recovery_action_goes_before_the_table(code: str, words: str, action: str) -> None:
    """Xid 154's, on its own or beside the error that it is about."""
    line = CHANGED.format(code, words)

    assert [diagnose(case(xid(number, "other", line))).action for number in (79, 154, 998)] == [action] * 3


@pytest.mark.parametrize("line", [CHANGED.format("0", "None"), "recovery action changed to reset", "Node Reboot"])
def test_a_driver_that_asks_for_nothing_takes_nothing_away(line: str) -> None:
    """What the table asks for stands; and only the driver's own line counts."""
    assert recovery_of([line]) is None
    assert diagnose(case(xid(79, line))).action == "replace"


@given(st.lists(st.text(max_size=300)))
def test_evidence_is_only_ever_read_for_one_of_four_words(lines: list[str]) -> None:
    """It comes from outside."""
    assert recovery_of(lines) in {None, "reset", "reboot"}


def test_the_policys_word_goes_before_everything_but_what_did_not_hold() -> None:
    """No threshold and no recovery action overrules it."""
    policy = Remediation(xids={43: "none", 79: "reset"})
    often = [tried("none", xid(43), minutes) for minutes in (10, 20, 30)]

    assert diagnose(case(xid(43), *often, policy=policy)).action == "none"
    assert diagnose(case(xid(79, CHANGED.format("2", "Node Reboot Required")), policy=policy)).action == "reset"
    assert diagnose(case(xid(79), tried("reset", xid(79)), policy=policy)).action == "reboot"


def test_an_xid_below_its_threshold_is_recorded_and_above_it_promoted() -> None:
    """Only its like counts, and only within the threshold's time."""
    often = [tried("none", xid(43), minutes) for minutes in (10, 20)]
    others = [tried("none", xid(44), 10), tried("none", xid(43), 70)]

    below, above = diagnose(case(xid(43), *often[:1], *others)), diagnose(case(xid(43), *often))

    assert (below.action, above.action) == ("none", "reset")
    assert "2 of 3 within 60 minutes" in below.reason


def test_different_jobs_that_run_into_one_xid_blame_the_gpu() -> None:
    """The same job again and again is its own fault, however often."""
    suspect = Suspect(pod=WEB, job="default/web")
    same = [tried("restart_pod", xid(13), minutes, "default/web") for minutes in (10, 20, 30)]
    other = tried("restart_pod", xid(13), 40, "default/search")

    again, promoted = diagnose(case(xid(13), *same, suspect=suspect)), diagnose(case(xid(13), other, suspect=suspect))

    assert (again.action, promoted.action) == ("restart_pod", "reset")
    assert "default/search, default/web" in promoted.reason


def test_a_pod_is_restarted_only_where_it_is_certain_which() -> None:
    """Else the fault is recorded, with the reason."""
    unsure = diagnose(case(xid(13), suspect=Suspect("2 pods share the GPU, and all but one are innocent")))

    assert (unsure.action, "innocent" in unsure.reason) == ("none", True)
    assert diagnose(case(xid(13))).action == "none"


def test_what_did_not_hold_is_followed_by_something_stronger() -> None:
    """Reset, reboot, replace, a person; a weaker thing that held long ago does not come back."""
    fault, steps = xid(48), list[tuple[Action, int]]()
    policy = Remediation(attempts=9)
    for minutes in (50, 40, 30, 20):
        decided = diagnose(case(fault, *(tried(action, fault, at) for action, at in steps), policy=policy))
        steps.append((decided.action, minutes))

    assert [action for action, _ in steps] == ["reset", "reboot", "replace", "escalate"]


def test_another_fault_begins_at_its_own_step_but_attempts_are_counted_together() -> None:
    """So many repairs of one node are enough, whatever they were for."""
    others = [tried("reboot", xid(62)), tried("reboot", xid(64), 30)]

    assert diagnose(case(xid(48), *others)).action == "reset"
    assert diagnose(case(xid(48), *others, tried("reset", xid(95)))).action == "escalate"


@given(st.sampled_from([row for group in xid_table().xids for row in group.xids]), st.lists(st.sampled_from(REPAIRS)))
def test_a_repair_is_never_repeated_nor_followed_by_a_weaker_one(number: int, before: list[Action]) -> None:
    """However the past looks."""
    past = [tried(action, xid(number), minutes) for minutes, action in enumerate(before)]
    decided = diagnose(case(xid(number), *past))

    if decided.action in REPAIRS and before:
        assert REPAIRS.index(decided.action) > max(map(REPAIRS.index, before))
    assert len(before) < POLICY.attempts or decided.action not in REPAIRS


def test_each_step_has_a_next_one_and_the_last_is_a_person() -> None:
    """None of them leads back."""
    assert [next_step(action) for action in ("restart_pod", *REPAIRS, "roll_ami", "escalate")] == [
        *["reset", "replace", "reboot", "replace", "escalate", "escalate", "escalate"]
    ]


def test_a_fault_is_named_in_words_for_people_and_for_the_taint() -> None:
    """With the first line of its evidence."""
    fault = xid(79, "GPU has fallen off the bus", uuid="GPU-1")

    assert words_of(fault) == "Xid 79 on GPU-1: GPU has fallen off the bus"
    assert (name_of(fault), name_of(GpuFault(kind="memory", first_seen=NOW))) == ("xid-79", "memory")


def test_the_first_word_needs_no_memory() -> None:
    """It is all that there is time for before the node is closed."""
    assert [first_word(xid(number), xid_table(), POLICY).action in HARMLESS for number in (13, 43, 48)] == [
        *[True, True, False]
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("nvidia: RESTART_BM", "nvidia: PRAY", "no action for"),
        ("RESTART_BM: replace", "RESTART_BM: hope", "actions.RESTART_BM"),
        ("{xids: [79]", "{xids: [79, 48]", "listed twice"),
        ("{xids: [79]", "{xids: [999]", "named, and in no row"),
        ("count: 3", "count: 1", "greater than or equal to 2"),
        ("as_of: 2025-10-29", "as_of: lately", "as_of"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(old: str, new: str, words: str) -> None:
    """Each row has a source and an action, and each Xid one row."""
    text = TABLE.read_text()
    assert old in text

    with pytest.raises(Invalid, match=words):
        parse_table(text.replace(old, new))


def sample(uuid: str, *titles: str, replicas: bool = False) -> GpuSample:
    """What the exporter says of a GPU."""
    pods = [PodShare(namespace="default", pod=title, replica=i if replicas else None) for i, title in enumerate(titles)]
    return GpuSample(uuid=uuid, pods=tuple(pods))


def pod(name: str, **more: Any) -> Pod:
    """A GPU pod."""
    given = {"owner": "ReplicaSet", "controller": name.rpartition("-")[0], "gpus": 1, **more}
    return Pod("default", name, uid=f"u-{name}", **given)


A, B = pod("web-0"), pod("search-0")


def test_the_pod_on_the_gpu_is_meant_and_no_other() -> None:
    """The exporter says which."""
    gpus = {"GPU-1": sample("GPU-1", "web-0"), "GPU-2": sample("GPU-2", "search-0")}

    assert suspect_of("GPU-2", [A, B], gpus, 2).pod == B
    assert suspect_of("GPU-2", [A, B], gpus, 2).job == "default/search"


@pytest.mark.parametrize(
    ("uuid", "pods", "gpus", "offered", "words"),
    [
        ("", [A, B], {"GPU-1": sample("GPU-1", "web-0"), "GPU-2": sample("GPU-2")}, 2, "nothing says which"),
        ("GPU-9", [A, B], {"GPU-1": sample("GPU-1", "web-0")}, 2, "nothing says which"),
        ("GPU-1", [A, B], {"GPU-1": sample("GPU-1", "web-0")}, 4, "nothing says which"),
        ("GPU-1", [A, B], {}, 2, "nothing says which"),
        ("GPU-1", [A, B], {"GPU-1": sample("GPU-1", "web-0", "search-0", replicas=True)}, 4, "innocent"),
        ("GPU-1", [A, B], {"GPU-1": sample("GPU-1", "gone-0")}, 1, "gone"),
        ("GPU-1", [], {"GPU-1": sample("GPU-1")}, 1, "no pod"),
        ("", [pod("web-0", owner="", controller="")], {}, 1, "no controller"),
        ("", [pod("web-0", deleting=True)], {}, 1, "does not run"),
        ("", [pod("web-0", completes=True)], {}, 1, "training"),
        ("", [pod("web-0", keep="karpenter.sh/do-not-disrupt")], {}, 1, "protected"),
    ],
)
def test_in_doubt_nobody_is_meant(uuid: str, pods: list[Pod], gpus: Any, offered: int, words: str) -> None:
    """On a shared GPU the pod that is named may be innocent; some must not be restarted, some would not come back."""
    found = suspect_of(uuid, pods, gpus, offered)

    assert found.pod is None
    assert words in found.why


def test_the_only_gpu_pod_is_certain_without_an_exporter() -> None:
    """And shares that are told apart are certain with one."""
    shared = {"GPU-1": sample("GPU-1", "web-0", replicas=True)}

    assert suspect_of("", [A], {}, 1).pod == A
    assert suspect_of("GPU-1", [A, B], shared, 4).pod == A


def test_pods_of_one_controller_or_gang_are_one_job() -> None:
    """A pod that was restarted is not another job."""
    assert job_of(A) == job_of(pod("web-1")) == "default/web"
    assert job_of(pod("train-0", gang="JobSet llm")) == "default/JobSet llm"


@pytest.mark.parametrize(("number", "action"), [(48, "replace"), (79, "replace"), (13, "none"), (998, "escalate")])
def test_on_a_node_whose_kubelet_is_silent_nothing_can_be_done_but_to_replace_it(number: int, action: str) -> None:
    """Who is to be called is called all the same."""
    assert diagnose(replace(case(xid(number)), silent=True)).action == action
