"""start_smoke and read_smoke over a cluster in memory: stage after stage, each call repeated, each answer lost once.

Covers: the stages of an empty node and of one with tenants, MIG, on demand with everything that can be wrong with it,
what a node declares by its label, tenants that come meanwhile, boards that are remembered, hooks that hear of us.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from gpuops.adapters.memory import Memory
from gpuops.adapters.smoke_manifest import job_name
from gpuops.domain.cluster import Node, Pod
from gpuops.domain.errors import Conflict, Invalid, Refused, Unavailable, Unhealthy
from gpuops.domain.keys import PLUGIN_CONFIG_LABEL
from gpuops.domain.policy import GroupPolicy, Policy, Smoke
from gpuops.domain.policy.cluster import ClusterPolicy, DevicePlugin
from gpuops.domain.smoke.stages import STAGES, JobState, PodState
from tests.fakes.admission import FakeCluster, FakeInstances
from tests.fakes.apps import load_app
from tests.fakes.jobs import FakeJobs, FakeMetrics
from tests.fakes.smoke_logs import GOOD, LIST, UUID
from tests.fakes.world import table
from tests.unit.test_admission_functions import HOOK, INSTANCE, NAME, NODE, NOW, RUN

START, READ = load_app("start_smoke"), load_app("read_smoke")
DONE = PodState("p", "Succeeded", logs=GOOD)
HELD = [PodState("a", logs=GOOD), PodState("b", "Pending", "1 Insufficient nvidia.com/gpu.")]
TENANT = Pod("default", "tenant", gpus=1)
ORDER: dict[str, Any] = {
    "cluster": "demo",
    "node": NAME,
    "execution": {"id": "arn:x", "name": "by-hand", "machine": "smoke"},
}
CONFIGS = "kube-system/configs"
XID_79 = f'DCGM_FI_DEV_XID_ERRORS{{gpu="0",UUID="{UUID}"}} 79\n'


class Scene:
    """One node, and the state that the machine would carry."""

    def __init__(self, node: Node = NODE, *pods: Pod, metrics: FakeMetrics | None = None, **policy: Any) -> None:
        self.cluster = FakeCluster(node, pods=[(node.name, pod) for pod in pods])
        self.jobs, self.instances, self.metrics = FakeJobs(), FakeInstances(), metrics or FakeMetrics()
        group = GroupPolicy(cluster="demo", group="gpu", mode="apply", smoke=Smoke(timeout_seconds=60, **policy))
        plugin = DevicePlugin(manage=False, config_map=CONFIGS)
        clusters = (ClusterPolicy(cluster="demo", device_plugin=plugin),)
        self.policy = Policy(version="v1", groups=(group,), clusters=clusters)
        self.state: dict[str, Any] = {"run": RUN, "node": node.name}

    def start(self, now: datetime = NOW, **more: Any) -> Any:
        """One call of start_smoke, its answer kept as the machine keeps it."""
        request = START.Request.model_validate({**self.state, **more})
        here = START.Here(self.policy, self.instances, self.cluster, self.jobs, self.metrics)
        begun = request.smoke is not None
        answer = START.go_on(request, now, request.smoke, here) if begun else START.begin(request, now, here)
        self.state |= {"smoke": answer.model_dump(), "run": answer.run.model_dump()}
        return answer

    def read(self, now: datetime = NOW, *, keep: bool = True, **more: Any) -> Any:
        """One call of read_smoke; without `keep` its answer is lost."""
        request = READ.Request.model_validate({**self.state, **more})
        answer = READ.read(request, now, self.cluster, self.jobs, self.metrics)
        if keep:
            self.state["verdict"] = answer.model_dump()
        return answer


def test_an_empty_node_goes_through_its_stages_one_by_one() -> None:
    """Each started once however often it is asked for, judged, removed; the last answer holds what all proved."""
    scene = Scene()
    first = [scene.start(smoke=None) for _ in range(2)][1]
    running = scene.read()
    scene.jobs.end(JobState("complete"), DONE)
    passed = scene.read()
    second = scene.start(NOW + timedelta(seconds=30))
    scene.jobs.end(JobState("running"), *HELD)
    last = scene.read()

    assert (running.status, passed.status, last.status) == ("running", "next", "passed")
    assert scene.jobs.started == ["device", "overlap"]
    assert scene.jobs.deleted == [first.job, second.job]
    assert (second.shot.pods, second.deadline) == (2, NOW + timedelta(seconds=90))
    assert (last.driver, last.stage, last.uuids) == ("580.126.09", "overlap", (UUID,))
    assert last.reason.startswith("driver 580.126.09, CUDA 13.0, 1 GPU computed; 1 GPUs x 1 are declared")


def test_two_smokes_of_one_run_are_two() -> None:
    """After a repair, or another configuration, what an execution that was stopped saw before it proves nothing."""
    scene = Scene()
    execution = {"id": "arn:one", "name": "one", "machine": "smoke_node"}

    names = {scene.start(execution={**execution, "name": name}, smoke=None).job for name in ("one", "one", "two")}

    assert names == {job_name("one", NAME, "device"), job_name("two", NAME, "device")}


def test_the_jobs_of_runs_that_died_go_with_the_first_stage_that_is_judged() -> None:
    """Nobody else looks at the node's smoke before an hour has passed; a stage that still runs removes nothing."""
    scene = Scene()
    first = scene.start(smoke=None)
    scene.jobs.left = ["of-a-dead-run", first.job]
    scene.read()
    assert scene.jobs.deleted == []
    scene.jobs.end(JobState("complete"), DONE)

    scene.read()

    assert scene.jobs.deleted == ["of-a-dead-run", first.job]


def test_logs_are_left_alone_while_there_is_nothing_to_judge() -> None:
    """A hundred launches poll at once."""
    scene = Scene()
    scene.start()

    assert (scene.read().status, scene.jobs.reads, scene.metrics.scrapes) == ("running", 0, 0)


@pytest.mark.parametrize("stage", [0, 1])
def test_a_verdict_whose_answer_was_lost_is_found_again(stage: int) -> None:
    """The Job is gone by then: the stage runs once more, by its first deadline, rather than failing a good node."""
    scene = Scene()
    scene.start()
    if stage:
        scene.jobs.end(JobState("complete"), DONE)
        scene.read()
        scene.start()
    started = scene.state["smoke"]
    scene.jobs.end(JobState("running") if stage else JobState("complete"), *(HELD if stage else [DONE]))
    scene.read(keep=False)

    assert scene.read().status == "gone"
    again = scene.start(NOW + timedelta(seconds=30))
    assert (again.job, again.deadline) == (started["job"], started["deadline"])
    assert scene.jobs.started[stage:] == [again.shot.stage] * 2
    scene.jobs.states.clear()
    assert scene.read(NOW + timedelta(seconds=60)).status == "failed"


def test_an_overdue_smoke_says_why_the_pod_did_not_run() -> None:
    """The Job itself only knows that it runs."""
    scene = Scene()
    scene.start()
    scene.jobs.end(JobState("running"), PodState("p", "Pending", "nvidia-smi: ErrImagePull"))

    failed = scene.read(NOW + timedelta(seconds=60))

    assert (failed.status, "ErrImagePull" in failed.reason) == ("failed", True)
    assert len(scene.jobs.deleted) == 1


def test_an_abandoned_smoke_is_only_cleaned_up() -> None:
    """Of every stage that may be there, after a failed start too; before a run was made, by the execution's name."""
    scene = Scene()
    by_hand: dict[str, Any] = {"run": None, **ORDER}

    assert [scene.read(abandon=True, smoke=None).status for _ in range(2)] == ["failed", "failed"]
    assert scene.jobs.deleted == [job_name("run-1", NAME, stage) for stage in STAGES] * 2
    scene.read(abandon=True, smoke=None, **by_hand)
    assert scene.jobs.deleted[-1] == job_name("by-hand", NAME, STAGES[-1])
    scene.read(abandon=True, smoke=None, execution={"id": "arn:two", "name": "two", "machine": "smoke_node"})
    assert scene.jobs.deleted[-1] == job_name("two", NAME, STAGES[-1])
    with pytest.raises(Invalid, match="neither"):
        scene.read(abandon=True, smoke=None, run=None)


def test_beside_tenants_only_free_shares_are_tried() -> None:
    """As many as their memory bears; unknown, it is one."""
    scene = Scene(replace(NODE, gpus=4), TENANT)
    started = scene.start()
    scene.jobs.end(JobState("complete"), PodState("p", "Succeeded", logs={"nvidia-smi": LIST}))
    passed = scene.read()

    assert (started.shot.stage, started.shot.pods, started.left) == ("slices", 1, ())
    assert (passed.status, passed.stage) == ("passed", "slices")
    roomy = FakeMetrics(f'DCGM_FI_DEV_FB_FREE{{gpu="0",UUID="{UUID}"}} 9000\n')
    assert Scene(replace(NODE, gpus=4), TENANT, metrics=roomy).start().shot.pods == 3
    with pytest.raises(Refused, match="0 free shares"):
        Scene(NODE, TENANT).start()


def test_free_shares_that_tenants_took_first_are_no_fault_of_the_node() -> None:
    """It could not be tried; its Job is removed by then."""
    scene = Scene(replace(NODE, gpus=4), TENANT)
    scene.start()
    scene.jobs.end(JobState("running"), PodState("p", "Pending", "1 Insufficient nvidia.com/gpu."))

    with pytest.raises(Refused, match="could be tried"):
        scene.read(NOW + timedelta(seconds=60))
    assert len(scene.jobs.deleted) == 1


def test_a_smoke_gives_way_to_tenants_that_come_meanwhile() -> None:
    """Neither do they wait for shares that it holds, nor is the node blamed for what they took."""
    scene = Scene()
    scene.start()
    scene.cluster.pods.append((NAME, TENANT))

    with pytest.raises(Refused, match="1 tenants came"):
        scene.read()
    scene.jobs.end(JobState("complete"), DONE)
    assert scene.read().status == "next"


def test_a_mig_node_is_left_alone() -> None:
    """Nothing is started."""
    scene = Scene(replace(NODE, mig=True))
    answer = scene.start()

    assert (answer.status, scene.jobs.started, "MIG" in answer.reason) == ("skipped", [], True)
    read = scene.read()
    assert (read.status, read.reason, answer.wait_seconds) == ("skipped", answer.reason, 0)


def test_another_runs_smoke_on_the_node_is_a_conflict() -> None:
    """Two would take each other's shares, and both would fail a good node."""
    scene = Scene()
    scene.jobs.rival = "other"

    with pytest.raises(Conflict, match="of run other"):
        scene.start()


R4 = "version: v1\nsharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}\n"
RENAMED = R4.replace("timeSlicing: {", "timeSlicing: {renameByDefault: true, ")


@pytest.mark.parametrize(
    ("text", "shares", "resource"),
    [("version: v1\n", 1, "nvidia.com/gpu"), (R4, 4, "nvidia.com/gpu"), (RENAMED, 4, "nvidia.com/gpu.shared")],
)
def test_a_node_declares_by_its_label_how_it_is_shared(text: str, shares: int, resource: str) -> None:
    """On demand nobody else says it; who hands it on is believed."""
    scene = Scene(replace(NODE, labels={PLUGIN_CONFIG_LABEL: "key"}))
    scene.cluster.texts = {CONFIGS: {"key": text}}
    told = scene.start().expected

    assert (told.shares, told.resource) == (shares, resource)
    assert Scene(replace(NODE, labels={PLUGIN_CONFIG_LABEL: "key"})).start(expected={"gpus": 8}).expected.gpus == 8
    assert Scene().start().expected.shares == 1


@pytest.mark.parametrize(
    ("node", "gpus", "text", "says"),
    [
        (NODE, 0, "", "without NVIDIA GPUs"),
        (replace(NODE, instance=""), 1, "", "no instance"),
        (replace(NODE, labels={PLUGIN_CONFIG_LABEL: "missing"}), 1, "version: v1", "with missing"),
        (replace(NODE, labels={PLUGIN_CONFIG_LABEL: "key"}), 1, "version: v9", "would not take key"),
    ],
)
def test_a_node_of_which_nothing_can_be_expected_is_not_smoked(node: Node, gpus: int, text: str, says: str) -> None:
    """No smoke begins by a guess."""
    scene = Scene(node)
    scene.instances.count = gpus
    scene.cluster.texts = {CONFIGS: {"key": text}}

    with pytest.raises((Invalid, Refused), match=says):
        scene.start()
    assert scene.jobs.started == []


def test_a_node_that_went_away_is_unhealthy_and_a_wrong_name_invalid() -> None:
    """A run had seen it; a person may have mistyped it."""
    with pytest.raises(Unhealthy, match="no node"):
        Scene().start(node="gone")
    with pytest.raises(Invalid, match="no node"):
        Scene().start(**{**ORDER, "run": None, "node": "typo"})


def test_on_demand_the_nodes_own_group_says_how_it_is_tried() -> None:
    """The run is made of the smoke's own execution."""
    run = Scene().start(run=None, **ORDER).run

    assert (run.id, run.execution, run.group, run.policy, run.mode) == ("by-hand", "arn:x", "gpu", "v1", "apply")
    alone = Scene()
    alone.instances.member_of = None
    assert alone.start(**{**ORDER, "run": None, "group": "gpu"}).run.group == "gpu"


@pytest.mark.parametrize(
    ("order", "member_of", "says"),
    [
        ({}, None, "in no Auto Scaling group"),
        ({"group": "other"}, "gpu", "is in group gpu, not in other"),
        ({}, "stranger", "not in the policy"),
        ({"cluster": "prod"}, "gpu", "is in cluster demo, not in prod"),
        ({"cluster": None}, "gpu", "`cluster` is missing"),
        ({"execution": None}, "gpu", "neither"),
    ],
)
def test_an_order_that_does_not_fit_the_policy_is_invalid(
    order: dict[str, Any], member_of: str | None, says: str
) -> None:
    """A smoke takes GPUs: it needs somebody who answers for the group."""
    scene = Scene()
    scene.instances.member_of = member_of

    with pytest.raises(Invalid, match=says):
        scene.start(**{**ORDER, "run": None, **order})
    assert scene.jobs.started == []


def test_a_group_that_is_only_observed_is_not_smoked() -> None:
    """Its mode promises that nothing is done."""
    scene = Scene()
    (group,) = scene.policy.groups
    observed = group.model_copy(update={"mode": "observe"})
    scene.policy = scene.policy.model_copy(update={"groups": (observed,)})

    with pytest.raises(Refused, match="mode observe"):
        scene.start(**{**ORDER, "run": None})


def test_a_fatal_xid_fails_the_stage_and_its_board_is_remembered() -> None:
    """Once it is known, every later admission can refuse it; a repeated call writes the same."""
    scene = Scene(metrics=FakeMetrics(XID_79))
    scene.start()
    scene.jobs.end(JobState("complete"), DONE)
    failed = scene.read(keep=False)
    with mock_aws():
        memory = Memory(table())
        for _ in range(2):
            READ.remember(failed, READ.Request.model_validate(scene.state), NOW, scene.cluster, memory)
        (known,) = memory.faulty_gpus([UUID])

    assert (failed.status, failed.reason) == ("failed", f"{UUID}: Xid 79 (fatal)")
    assert (known.fault, known.instance, known.node) == ("xid_79", INSTANCE, NAME)


def test_an_exporter_that_does_not_answer_is_told_in_the_evidence() -> None:
    """The verdict stands on what the pods said."""
    scene = Scene(metrics=FakeMetrics(fault=Unavailable("503")))
    scene.start()
    scene.jobs.end(JobState("complete"), DONE)
    answer = scene.read()

    assert (answer.status, answer.evidence[-1]) == ("next", "Xids were not looked at: 503")


def test_a_hook_that_waits_hears_of_each_stage_and_of_a_long_one_meanwhile() -> None:
    """A diagnostic may outlast any heartbeat."""
    scene = Scene(diagnostic_level=3, diagnostic_minutes=60, overlap=False)
    hooked: dict[str, Any] = {"hook": HOOK.model_dump(), "instance": INSTANCE}
    scene.start(**hooked)
    short = READ.Request.model_validate({**scene.state, **hooked})
    READ.beat(short, scene.instances)
    scene.jobs.end(JobState("complete"), DONE)
    scene.read()
    scene.start(**hooked)
    READ.beat(READ.Request.model_validate({**scene.state, **hooked}), scene.instances)

    assert (scene.jobs.started, scene.instances.beats) == (["device", "diagnostic"], 3)
    READ.beat(READ.Request.model_validate(scene.state), scene.instances)
    assert scene.instances.beats == 3
