"""All simulated kubelets behind one door: instances boot and die here, nodes and pods are watched here."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from rehearsal.kube import Json, KubeApi
from rehearsal.kubelets.boots import Boots
from rehearsal.kubelets.exporter_view import view_of
from rehearsal.kubelets.heartbeats import Heartbeats
from rehearsal.kubelets.machine import Instance, Machine, Release, machine_of
from rehearsal.kubelets.node import agent_status
from rehearsal.kubelets.plugin import is_exporter, is_plugin
from rehearsal.kubelets.plugin_host import PluginHost
from rehearsal.kubelets.pods import Pods
from rehearsal.kubelets.run import Run
from rehearsal.kubelets.served import Answer, Served
from rehearsal.kubelets.status import collected
from rehearsal.kubelets.world import Timers, World
from rehearsal.rest import Mirror, Seen
from rehearsal.rest.reading import is_deleting, is_out_of_service, is_ready, is_terminal
from rehearsal.scenario import Group

_LOG = logging.getLogger(__name__)
COLLECT_SECONDS: Final = 60.0
RELEASE_SECONDS: Final = 20.0
"""Kubernetes' pod garbage collector looks that often for pods that no kubelet will ever let go of."""


class Kubelets:
    """Give it instances; it gives the cluster nodes."""

    def __init__(
        self,
        clock: Timers,
        kube: KubeApi,
        releases: Mapping[str, Release],
        mirror: Mirror,
        *,
        groups: Mapping[str, Group] | None = None,
        seed: str = "1",
    ) -> None:
        """`releases` by AMI id; `groups` by name, for what is special about their machines."""
        self._world = World(clock, kube, mirror, seed)
        self._releases, self._groups = releases, groups or {}
        self._heartbeats = Heartbeats(kube, clock.now())
        self._plugins = PluginHost(self._world)
        self._pods = Pods(self._world, self._on_started, self._on_stopped)
        self._served = Served(self._world, self._pods)
        self._boots = Boots(self._world, self._heartbeats, self._plugins, self._pods)
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
        machine = machine_of(instance, self._releases.get(instance.ami), self._groups.get(instance.group))
        if isinstance(machine, str):
            self.unjoined[instance.instance_id] = machine
            _LOG.info("%s will not join: %s", instance.instance_id, machine)
            return
        with self._world.lock:
            self._machines[instance.instance_id] = machine
        self._boots.begin(machine)

    def reboot(self, instance: Instance) -> None:
        """An instance starts from another root volume: its pods die, and it finds its Node again."""
        machine = self._machines.get(instance.instance_id)
        if machine is not None:
            self._boots.again(machine, instance, self._releases.get(instance.ami))

    def terminate(self, instance_id: str) -> None:
        """An instance is shut down: its kubelet goes silent, and its pods stop where they are."""
        with self._world.lock:
            machine = self._machines.pop(instance_id, None)
            if machine is None:
                return
            was, machine.stage = machine.stage, "silent"
            self._pods.freeze(machine)
        self._boots.end(machine, joined=was != "booting")

    def afflict(self, instance_id: str, faults: Sequence[str]) -> None:
        """From now on these faults, besides those that the machine booted with, and no others."""
        with self._world.lock:
            machine = self._machines[instance_id]
            before, machine.afflictions = machine.agent_says, tuple(faults)
            self._pods.reconsider(machine)
        if machine.agent_says != before:
            self._world.node_patch(machine.name, agent_status(self._world.clock.now(), machine.agent_says))
        if machine.suffers("kubelet_dead") and machine.stage != "silent":
            self._fall_silent(machine)

    def _fall_silent(self, machine: Machine) -> None:
        """Its containers may run on, but nobody hears of them any more."""
        with self._world.lock:
            machine.stage = "silent"
            self._pods.freeze(machine)
        self._boots.end(machine, joined=True)

    def serve(self, host: str, port: int, path: str) -> Answer:
        """Answer GET `path` for the pod network."""
        return self._served.answer(host, port, path)

    def exported(self) -> list[tuple[str, str]]:
        """What every exporter that answers says, with its pod's name."""
        return self._served.exported()

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
        if run is not None and stage == "mounting":
            return self._pods.volumes.debt(run)
        if pod["status"].get("phase") == "Pending" and stage not in ("starting", "rejected"):
            return "kubelet: start"
        return None

    def _on_started(self, run: Run) -> None:
        if is_exporter(run.pod):
            run.view = view_of(run.pod, self._world.config_map)
        if is_exporter(run.pod) or is_plugin(run.pod):
            run.machine.clients.add(run.uid)
        self._plugins.on_started(run)

    def _on_stopped(self, run: Run) -> None:
        run.machine.clients.discard(run.uid)
        if run.machine.stage != "silent" and self._pods.volumes.needs(run):
            self._world.later(0, run.key("unmount"), lambda: self._pods.volumes.let_go(run))
        self._plugins.on_stopped(run)

    def _on_event(self, seen: Seen) -> None:
        if seen.kind == "node":
            self._on_node(seen)
        elif seen.kind == "attachment":
            self._pods.volumes.on_event(seen)
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
            if is_out_of_service(seen.after) and not (seen.before and is_out_of_service(seen.before)):
                self._world.later(RELEASE_SECONDS, f"node/{name}/release", lambda: self._release(name))

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

    def _release(self, name: str) -> None:
        """A node that is out of service: what was told to go is taken for gone, as the garbage collector does."""
        node = self._world.mirror.nodes.get(name)
        if node is None or is_ready(node):
            return
        for pod in self._world.pods_on(name):
            if is_deleting(pod):
                self._world.pod_delete(pod)
