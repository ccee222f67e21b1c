"""How a machine comes up: it registers its Node, gets ready, and may boot again from another root volume.

A kubelet registers taints, and the labels of its flags, only when it creates its Node: one that finds it there
corrects what it knows (versions, boot id, conditions, devices) and leaves the rest as it is.
"""

import random
from typing import Any, Final

from rehearsal.kube import KubeError
from rehearsal.kubelets.heartbeats import Heartbeats
from rehearsal.kubelets.machine import Instance, Machine, Release
from rehearsal.kubelets.node import (
    UNINITIALIZED,
    node_object,
    ready_status,
    rebooted_labels,
    rebooted_status,
    silent_status,
)
from rehearsal.kubelets.plugin_host import PluginHost
from rehearsal.kubelets.pods import Pods
from rehearsal.kubelets.status import not_ready
from rehearsal.kubelets.world import World, unless_gone
from rehearsal.rest.reading import is_ready, is_terminal

BOOT_SECONDS: Final = (150.0, 200.0)
NETWORK_SECONDS: Final = 15.0
REBOOT_SECONDS: Final = 45.0
"""From a reboot until the kubelet is there again: it has less to do than a first boot."""
GRACE_SECONDS: Final = 40.0
"""From the last heartbeat until the node lifecycle controller calls a node's state unknown."""
CONFLICT: Final = 409


class Boots:
    """Machines on their way up, and what the cluster is told when one goes silent."""

    def __init__(self, world: World, heartbeats: Heartbeats, plugins: PluginHost, pods: Pods) -> None:
        self._world, self._heartbeats, self._plugins, self._pods = world, heartbeats, plugins, pods
        self._timers: dict[str, Any] = {}
        """By instance id: the next step of whatever is on its way up."""

    def begin(self, machine: Machine) -> None:
        """The first boot, as long as the machine's own draw says."""
        draw = random.Random(f"{self._world.seed}/{machine.name}")  # noqa: S311 - a draw that every run repeats
        timer = self._world.later(
            draw.uniform(*BOOT_SECONDS), f"node/{machine.name}/boot", lambda: self._register(machine)
        )
        with self._world.lock:
            self._timers[machine.instance.instance_id] = timer

    def again(self, machine: Machine, instance: Instance, release: Release | None) -> None:
        """A new root volume: silence, then the same Node with another boot id; nothing if the image is unknown."""
        with self._world.lock:
            if machine.stage == "silent":
                return
            machine.stage = "silent"
            machine.boots += 1
            self._pods.freeze(machine)
        self.end(machine, joined=True)
        if release is None or "never_registers" in release.faults:
            return
        timer = self._world.later(
            REBOOT_SECONDS, f"node/{machine.name}/reboot", lambda: self._return(machine, instance, release)
        )
        with self._world.lock:
            self._timers[instance.instance_id] = timer

    def end(self, machine: Machine, *, joined: bool) -> None:
        """The machine is silent; the cluster notices if it had joined."""
        with self._world.lock:
            timer = self._timers.pop(machine.instance.instance_id, None)
            if timer is not None:
                self._world.clock.cancel(timer)
        self._heartbeats.drop(machine.name)
        if joined:
            boots = machine.boots
            self._world.later(GRACE_SECONDS, f"node/{machine.name}/unknown", lambda: self._call_unknown(machine, boots))

    def _register(self, machine: Machine) -> None:
        with self._world.lock:
            if machine.stage != "booting":
                return
            machine.stage = "registered"
            self._world.machines[machine.name] = machine
        node = self._world.kube.create("/api/v1/nodes", node_object(machine, self._world.clock.now()))
        self._join(machine, node["metadata"]["uid"])

    def _return(self, machine: Machine, instance: Instance, release: Release) -> None:
        """What died with the old volume is told first: the pods that no kubelet restarts."""
        with self._world.lock:
            machine.instance, machine.release = instance, release
            machine.stage = "registered"
            machine.devices.publish(None)
            machine.heal()
        self._pods.bury(machine)
        node = self._world.kube.find(f"/api/v1/nodes/{machine.name}")
        if node is None:
            return
        self._world.node_patch(machine.name, rebooted_status(machine, self._world.clock.now()))
        with unless_gone(machine.name):
            self._world.kube.patch(f"/api/v1/nodes/{machine.name}", rebooted_labels(machine))
        self._join(machine, node["metadata"]["uid"])

    def _join(self, machine: Machine, uid: str) -> None:
        self._heartbeats.add(machine.name, uid)
        timer = self._world.later(NETWORK_SECONDS, f"node/{machine.name}/ready", lambda: self._become_ready(machine))
        with self._world.lock:
            self._timers[machine.instance.instance_id] = timer

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
            if taints == node["spec"].get("taints", []):
                return
            version = {"resourceVersion": node["metadata"]["resourceVersion"]}
            try:
                self._world.kube.patch(f"/api/v1/nodes/{name}", {"metadata": version, "spec": {"taints": taints}})
            except KubeError as error:
                if error.status != CONFLICT:
                    raise
            else:
                return

    def _call_unknown(self, machine: Machine, boots: int) -> None:
        """Unless the machine is back meanwhile."""
        if machine.name not in self._world.mirror.nodes or self._world.machines.get(machine.name) is not machine:
            return
        if machine.stage != "silent" or machine.boots != boots:
            return
        now = self._world.clock.now()
        self._world.node_patch(machine.name, silent_status(now))
        for pod in self._world.pods_on(machine.name):
            if is_ready(pod) and not is_terminal(pod):
                self._world.pod_patch(pod, not_ready(now))
