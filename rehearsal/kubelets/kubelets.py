"""All simulated kubelets behind one door: instances boot and die here, nodes and pods are watched here."""

import logging
import random
from collections.abc import Mapping
from typing import Any, Final

from rehearsal.kube import Json, KubeApi, KubeError
from rehearsal.kubelets.heartbeats import Heartbeats
from rehearsal.kubelets.machine import Instance, Machine, Release, machine_of
from rehearsal.kubelets.node import UNINITIALIZED, node_object, ready_status, silent_status
from rehearsal.kubelets.plugin_host import PluginHost
from rehearsal.kubelets.pods import Pods
from rehearsal.kubelets.served import Answer, Served
from rehearsal.kubelets.status import collected, not_ready
from rehearsal.kubelets.world import Timers, World
from rehearsal.rest import Mirror, Seen
from rehearsal.rest.reading import is_deleting, is_ready, is_terminal

_LOG = logging.getLogger(__name__)
BOOT_SECONDS: Final = (150.0, 200.0)
NETWORK_SECONDS: Final = 15.0
GRACE_SECONDS: Final = 40.0
"""From the last heartbeat until the node lifecycle controller calls a node's state unknown."""
COLLECT_SECONDS: Final = 60.0
CONFLICT: Final = 409


class Kubelets:
    """Give it instances; it gives the cluster nodes."""

    def __init__(
        self, clock: Timers, kube: KubeApi, releases: Mapping[str, Release], mirror: Mirror, *, seed: str = "1"
    ) -> None:
        """`releases` by AMI id."""
        self._world = World(clock, kube, mirror, seed)
        self._releases = releases
        self._heartbeats = Heartbeats(kube, clock.now())
        self._plugins = PluginHost(self._world)
        self._pods = Pods(self._world, self._plugins.on_started, self._plugins.on_stopped)
        self._served = Served(self._world, self._pods)
        self._booting: dict[str, Any] = {}
        self._machines: dict[str, Machine] = {}
        """By instance id."""
        self.unjoined: dict[str, str] = {}
        """Instances that never join the cluster, each with the reason."""
        mirror.subscribe(self._on_event)

    def start(self) -> None:
        """Begin to renew leases."""
        self._heartbeats.start()

    def stop(self) -> None:
        """Renew no lease any more."""
        self._heartbeats.stop()

    def boot(self, instance: Instance) -> None:
        """An instance was launched: its node joins after some minutes, unless something is wrong with it."""
        machine = machine_of(instance, self._releases.get(instance.ami))
        if isinstance(machine, str):
            self.unjoined[instance.instance_id] = machine
            _LOG.info("%s will not join: %s", instance.instance_id, machine)
            return
        draw = random.Random(f"{self._world.seed}/{machine.name}")  # noqa: S311 - a draw that every run repeats
        timer = self._world.later(
            draw.uniform(*BOOT_SECONDS), f"node/{machine.name}/boot", lambda: self._register(machine)
        )
        with self._world.lock:
            self._machines[instance.instance_id] = machine
            self._booting[instance.instance_id] = timer

    def terminate(self, instance_id: str) -> None:
        """An instance is shut down: its kubelet goes silent, and its pods stop where they are."""
        with self._world.lock:
            machine = self._machines.pop(instance_id, None)
            if machine is None:
                return
            self._world.clock.cancel(self._booting.pop(instance_id))
            was, machine.stage = machine.stage, "silent"
            self._pods.freeze(machine)
        self._heartbeats.drop(machine.name)
        if was != "booting":
            self._world.later(GRACE_SECONDS, f"node/{machine.name}/unknown", lambda: self._call_unknown(machine))

    def serve(self, host: str, port: int, path: str) -> Answer:
        """Answer GET `path` for the pod network."""
        return self._served.answer(host, port, path)

    def debt(self, _mirror: Mirror, pod: Json) -> str | None:
        """What a kubelet owes a pod before time may pass: a check for the rest ledger."""
        machine = self._world.machines.get(pod["spec"].get("nodeName", ""))
        if machine is None or machine.stage != "ready":
            return None
        run = self._pods.runs.get(pod["metadata"]["uid"])
        stage = run.stage if run else None
        if is_deleting(pod):
            done = stage == "left" and pod["metadata"].get("finalizers")
            return None if done or stage == "leaving" else "kubelet: delete"
        if pod["status"].get("phase") == "Pending" and stage not in ("starting", "rejected"):
            return "kubelet: start"
        return None

    def _register(self, machine: Machine) -> None:
        with self._world.lock:
            if machine.stage != "booting":
                return
            machine.stage = "registered"
            self._world.machines[machine.name] = machine
        node = self._world.kube.create("/api/v1/nodes", node_object(machine, self._world.clock.now()))
        self._heartbeats.add(machine.name, node["metadata"]["uid"])
        self._world.later(NETWORK_SECONDS, f"node/{machine.name}/ready", lambda: self._become_ready(machine))

    def _become_ready(self, machine: Machine) -> None:
        with self._world.lock:
            if machine.stage != "registered":
                return
            machine.stage, machine.ready_at = "ready", self._world.clock.now()
        self._initialize(machine.name)
        self._world.node_patch(machine.name, ready_status(self._world.clock.now()))
        self._plugins.on_ready(machine)
        self._pods.resume(machine)

    def _initialize(self, name: str) -> None:
        """What the cloud's controller does to a node that it knows: take off kubelet's taint."""
        while (node := self._world.kube.find(f"/api/v1/nodes/{name}")) is not None:
            taints = [taint for taint in node["spec"].get("taints", ()) if taint["key"] != UNINITIALIZED["key"]]
            version = {"resourceVersion": node["metadata"]["resourceVersion"]}
            try:
                self._world.kube.patch(f"/api/v1/nodes/{name}", {"metadata": version, "spec": {"taints": taints}})
            except KubeError as error:
                if error.status != CONFLICT:
                    raise
            else:
                return

    def _call_unknown(self, machine: Machine) -> None:
        if machine.name not in self._world.mirror.nodes or self._world.machines.get(machine.name) is not machine:
            return
        now = self._world.clock.now()
        self._world.node_patch(machine.name, silent_status(now))
        for pod in self._world.pods_on(machine.name):
            if is_ready(pod) and not is_terminal(pod):
                self._world.pod_patch(pod, not_ready(now))

    def _on_event(self, seen: Seen) -> None:
        if seen.kind == "node":
            self._on_node(seen)
        elif seen.kind == "pod":
            machine = self._world.machines.get(seen.object["spec"].get("nodeName", ""))
            if machine is not None:
                self._pods.on_event(machine, seen.object, gone=seen.after is None)

    def _on_node(self, seen: Seen) -> None:
        name = seen.object["metadata"]["name"]
        machine = self._world.machines.get(name)
        if seen.after is None:
            self._lose(name, machine)
        elif machine is not None:
            self._plugins.on_label(machine, seen.after)

    def _lose(self, name: str, machine: Machine | None) -> None:
        """The Node is deleted; its pods go later, by the pod garbage collector that is played here."""
        if machine is not None:
            with self._world.lock:
                machine.stage = "silent"
                self._pods.freeze(machine)
            self._heartbeats.drop(name)
        self._world.later(COLLECT_SECONDS, f"node/{name}/collect", lambda: self._collect(name))

    def _collect(self, name: str) -> None:
        if name in self._world.mirror.nodes:
            return
        for pod in self._world.pods_on(name):
            if not is_terminal(pod):
                self._world.pod_patch(pod, collected(self._world.clock.now()))
            self._world.pod_delete(pod)
