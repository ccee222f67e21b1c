"""Restart, reset and reboot over a small world, look by look; and what is remembered of them.

Covers: each way a reset and a reboot can go, twice of each, the global stop, labels that are put back, the Job's text,
lineage and time in the memory, and diagnose_fault with all of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from moto import mock_aws

from gpuops.adapters.manifests import MANIFESTS
from gpuops.adapters.resets import reset_job
from gpuops.domain.cluster import Node
from gpuops.domain.errors import Conflict, Unhealthy
from gpuops.domain.faults.attempts import Attempt
from gpuops.domain.keys import DEVICE_PLUGIN, RESET_LABEL
from gpuops.domain.pods import Pod
from gpuops.domain.rotation.wish import GlobalStop
from gpuops.domain.smoke.stages import JobState
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, POLICY, instance
from tests.fakes.rotation import run as roll_run
from tests.fakes.steps import old_world
from tests.fakes.world import World

REPAIR, DIAGNOSE = load_app("repair_gpu"), load_app("diagnose_fault")
VICTIM = instance(0)
NAME = f"node-{VICTIM.id}"
RUN = roll_run("fault-1", machine="remediate_gpu")
WEB = Pod("default", "web-0", uid="u0", owner="ReplicaSet", controller="web", gpus=1)
PLUGIN = Pod("gpuops-system", "plugin-x", uid="p", owner="DaemonSet", controller=DEVICE_PLUGIN)


@dataclass
class Resets:
    """The one Job of a reset: `state` is what it comes to."""

    job: JobState | None = None
    calls: list[str] = field(default_factory=list)

    def start(self, run: str, node: str, image: str) -> None:
        """See the adapter."""
        self.calls.append(f"start {node} {image}")
        self.job = JobState("running")

    def state(self, run: str, node: str) -> JobState | None:
        """See the adapter."""
        return self.job

    def words(self, run: str, node: str) -> str:
        """See the adapter."""
        return "In use by another client"

    def delete(self, run: str, node: str) -> None:
        """See the adapter."""
        self.calls.append("delete")


@pytest.fixture
def world() -> Iterator[World]:
    """Three nodes; the first one is in quarantine, and its plugin runs."""
    with mock_aws():
        made = old_world()
        made.connected.pods[NAME] = [PLUGIN]
        made.connected.all_nodes[0] = replace(made.connected.all_nodes[0], gpus=1, boot_id="boot-1")
        made.connected.isolate(made.connected.all_nodes[0], RUN.id, "Xid 48", "xid-48")
        made.repairs = Resets()
        yield made


def repair(world: World, action: str, seconds: int = 0, before: Any = None, **diagnose: Any) -> Any:
    """One look."""
    event = {"fault": {"node": NAME, "kind": "xid", "xid": 48, "first_seen": NOW}}
    isolated = {"status": "closed", "reason": "r", "run": RUN, "node": NAME, "instance": VICTIM.id}
    state = {"run": RUN, "event": event, "isolate": isolated, "repair": before and before.model_dump()}
    request = REPAIR.Repair.model_validate({**state, "diagnose": {"action": action, "reason": "r", **diagnose}})
    return REPAIR.repair(request, NOW + timedelta(seconds=seconds), world)


def node(world: World) -> Node:
    """The node as it is now."""
    found = world.connected.node(NAME)
    assert found is not None
    return found


def become(world: World, **more: Any) -> None:
    """The node changes."""
    world.connected.all_nodes[0] = replace(node(world), **more)


def test_a_reset_takes_the_plugin_off_runs_its_job_and_waits_for_the_gpus(world: World) -> None:
    """Each look goes on from the one before, and the labels are as they were in the end."""
    off = repair(world, "reset")
    assert RESET_LABEL in node(world).labels
    still = repair(world, "reset", 10, off)
    assert (still.status, world.repairs.calls) == ("repairing", [])
    world.connected.pods[NAME] = []
    started = repair(world, "reset", 20, still)
    assert world.repairs.calls == [f"start {NAME} nvcr.io/nvidia/cuda:12.8.1-base-ubuntu24.04"]
    runs = repair(world, "reset", 30, started)
    assert runs.status == "repairing"
    world.repairs.job = JobState("complete")
    become(world, gpus=0)
    back = repair(world, "reset", 40, runs)
    assert (back.mark, RESET_LABEL in node(world).labels, world.repairs.calls[-1]) == ("back", False, "delete")
    assert repair(world, "reset", 50, back).status == "repairing"
    become(world, gpus=1)

    assert repair(world, "reset", 60, back).status == "repaired"


def test_a_reset_that_was_stopped_before_its_job_starts_none_on_a_node_that_is_not_its_own(world: World) -> None:
    """Who redrives it half an hour later finds the node open, and pods may be on it."""
    off = repair(world, "reset")
    world.connected.end_isolation(node(world))

    with pytest.raises(Conflict, match=f"{NAME} is not run {RUN.id}'s to repair any more"):
        repair(world, "reset", 1800, off)
    assert world.repairs.calls == []


def test_a_plugin_that_does_not_go_is_not_waited_for_for_ever(world: World) -> None:
    """The tool then says who has the GPU open."""
    off = repair(world, "reset")

    repair(world, "reset", 121, off)

    assert world.repairs.calls[0].startswith("start")


@pytest.mark.parametrize("ended", [JobState("failed", "BackoffLimitExceeded"), JobState("running")])
def test_a_reset_that_fails_or_hangs_puts_everything_back(world: World, ended: JobState) -> None:
    """And something stronger is needed."""
    off = repair(world, "reset")
    world.repairs.job = ended

    failed = repair(world, "reset", 900, off)

    assert (failed.status, RESET_LABEL in node(world).labels, world.repairs.calls) == ("failed", False, ["delete"])
    assert "In use by another client" in failed.reason


def test_gpus_that_do_not_come_back_after_a_reset_need_more(world: World) -> None:
    """Within the same patience."""
    off = repair(world, "reset")
    world.repairs.job = JobState("complete")
    become(world, gpus=0)
    back = repair(world, "reset", 60, off)

    assert repair(world, "reset", 900, back).status == "failed"


def test_labels_of_others_are_set_for_a_reset_and_put_back(world: World) -> None:
    """As the policy names them; one that was not there goes."""
    key, other = "nvidia.com/gpu.deploy.device-plugin", "nvidia.com/gpu.deploy.dcgm"
    policy = f'clusters:\n- {{cluster: train, reset_labels: {{{key}: "false", {other}: "false"}}}}\n'
    world.policy = policy + POLICY
    become(world, labels={key: "true"})
    off = repair(world, "reset")
    assert (node(world).labels[key], node(world).labels[other]) == ("false", "false")
    repair(world, "reset", 5, off)
    world.repairs.job = JobState("complete")

    repair(world, "reset", 60, off)

    assert node(world).labels == {key: "true"}


def test_bottlerockets_host_is_left_alone(world: World) -> None:
    """It has no systemctl for us: a reboot does the same."""
    become(world, os_image="Bottlerocket OS 1.51.0 (aws-k8s-1.36-nvidia)")

    assert repair(world, "reset").status == "failed"
    assert node(world).labels == {}


def test_a_reboot_is_asked_for_once_and_another_boot_is_waited_for(world: World) -> None:
    """Ready, and with its GPUs."""
    first = repair(world, "reboot")
    assert (first.status, first.mark, world.rebooted) == ("repairing", "boot-1", [VICTIM.id])
    assert "not back" in repair(world, "reboot", 60, first).reason
    become(world, boot_id="boot-2", ready=False, readiness="KubeletNotReady")
    assert "KubeletNotReady" in repair(world, "reboot", 90, first).reason
    become(world, ready=True, gpus=0)
    assert "no GPU" in repair(world, "reboot", 100, first).reason
    become(world, gpus=1)

    assert repair(world, "reboot", 120, first).status == "repaired"
    assert world.rebooted == [VICTIM.id]


def test_a_reboot_that_never_ends_needs_more(world: World) -> None:
    """After twenty minutes."""
    first = repair(world, "reboot")

    assert repair(world, "reboot", 1199, first).status == "repairing"
    assert repair(world, "reboot", 1200, first).status == "failed"


@pytest.mark.parametrize("action", ["reset", "reboot"])
def test_a_node_that_went_away_meanwhile_is_not_taken_for_another(world: World, action: str) -> None:
    """One of its name has another instance."""
    become(world, instance="i-another")

    with pytest.raises(Unhealthy, match="went away"):
        repair(world, action)


@pytest.mark.parametrize("action", ["reset", "reboot", "restart_pod"])
def test_nothing_is_begun_while_everything_is_stopped(world: World, action: str) -> None:
    """What was begun is finished, so that nothing stays taken apart."""
    world.wishes.write_stop(GlobalStop(at=NOW, by="ops", reason="audit"))

    waiting = repair(world, action)

    assert (waiting.status, waiting.wait_seconds, world.rebooted, node(world).labels) == ("waiting", 20, [], {})
    world.wishes.lift_stop()
    first = repair(world, "reboot", 20, waiting)
    world.wishes.write_stop(GlobalStop(at=NOW, by="ops", reason="audit"))
    become(world, boot_id="boot-2")
    assert repair(world, "reboot", 60, first).status == "repaired"


TARGET = {"namespace": "default", "name": "web-0", "uid": "u0"}


def test_the_pod_that_is_meant_is_evicted_and_no_other(world: World) -> None:
    """By its uid: one that came after it is another."""
    other = replace(WEB, name="web-1", uid="u1")
    world.connected.pods[NAME] = [WEB, other]

    assert repair(world, "restart_pod", pod=TARGET).status == "restarted"
    assert world.connected.pods[NAME] == [other]
    assert repair(world, "restart_pod", pod=TARGET).status == "recorded"


def test_a_budget_that_forbids_a_restart_is_honoured(world: World) -> None:
    """The fault is recorded, with the budget's words."""
    world.connected.pods[NAME] = [WEB]
    world.connected.refusals = {"default/web-0": "The disruption budget web needs 1 healthy pods"}

    answer = repair(world, "restart_pod", pod=TARGET)

    assert (answer.status, "disruption budget" in answer.reason) == ("recorded", True)


def test_the_jobs_command_is_the_one_that_admission_knows() -> None:
    """To the letter; what the policy names is its image alone."""
    job = reset_job("fault-1", NAME, "image:1")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    rules = [each for each in yaml.safe_load_all((MANIFESTS / "rbac.yaml").read_text()) if each]
    (rule,) = [r for r in rules if r["kind"] == "ValidatingAdmissionPolicy" and "reset" in r["metadata"]["name"]]
    written = {v["name"]: v["expression"] for v in rule["spec"]["variables"]}
    pieces = [piece.strip().strip("'") for piece in written["script"].split(" + ")]

    assert container["command"] == [*yaml.safe_load(written["enter"]), "".join(pieces)]
    assert (container["image"], container["securityContext"]) == ("image:1", {"privileged": True})


def note(world: World, action: Any, name: str, hours: float, *, uuid: str = "", run: str = "r") -> None:
    """Something was tried so long ago."""
    at = NOW - timedelta(hours=hours)
    attempt = Attempt(run=run, at=at, action=action, kind="xid", xid=48)
    world.attempts.note(attempt, name, uuid)


def test_attempts_follow_the_place_and_the_board(world: World) -> None:
    """A successor has its predecessors' past, a board its own wherever it is; twice noted is once."""
    note(world, "reset", "i-1", 3)
    note(world, "reset", "i-1", 3)
    note(world, "replace", "i-2", 2, uuid="GPU-1", run="s")
    world.attempts.succeed("i-2", "i-1", NOW)
    world.attempts.succeed("i-3", "i-2", NOW)
    since = NOW - timedelta(hours=24)

    assert [a.action for a in world.attempts.of("i-3", "", since)] == ["reset", "replace"]
    assert [a.action for a in world.attempts.of("i-9", "GPU-1", since)] == ["replace"]
    assert world.attempts.of("i-9", "", since) == []
    assert [a.action for a in world.attempts.of("i-3", "GPU-1", NOW - timedelta(hours=2.5))] == ["replace"]


def decide(world: World, xid: int, uuid: str = "") -> Any:
    """What diagnose_fault says."""
    event = {"fault": {"node": NAME, "uuid": uuid, "kind": "xid", "xid": xid, "first_seen": NOW}}
    isolated = {"status": "open", "reason": "r", "run": RUN, "node": NAME, "instance": VICTIM.id}
    request = DIAGNOSE.Repair.model_validate({"run": RUN, "event": event, "isolate": isolated})
    return DIAGNOSE.decide(request, NOW, world)


def test_a_decision_names_the_pod_that_it_means(world: World) -> None:
    """And whose it is, for the memory."""
    world.connected.pods[NAME] = [WEB, PLUGIN]

    decided = decide(world, 13)

    assert (decided.action, decided.pod.uid, decided.job) == ("restart_pod", "u0", "default/web")


def test_a_decision_remembers_what_was_tried(world: World) -> None:
    """Within the policy's window."""
    note(world, "reset", VICTIM.id, 23)
    assert (decide(world, 48).action, decide(world, 48).pod) == ("reboot", None)
    world.policy = POLICY.replace("mode: apply", "mode: apply, remediation: {window_hours: 20}")
    assert decide(world, 48).action == "reset"


def test_a_pod_on_a_node_that_is_gone_is_nobodys(world: World) -> None:
    """Nothing to restart."""
    world.connected.all_nodes.pop(0)

    assert decide(world, 13).action == "none"
