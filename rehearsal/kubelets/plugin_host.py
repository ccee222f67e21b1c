"""The device plugin on each node: when it serves, and what a new configuration does to allocatable.

A changed label makes the plugin restart: allocatable is 0 for some seconds, then the new number. Edited content under
the same key does nothing until the plugin's pod restarts, as with the real config-manager.
"""

from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.devices import Sharing
from rehearsal.kubelets.machine import Machine
from rehearsal.kubelets.node import gpu_status, mig_status
from rehearsal.kubelets.plugin import configs_of, is_plugin, manager_of, sharing_of, slicing_of
from rehearsal.kubelets.run import Run
from rehearsal.kubelets.world import World

REGISTER_SECONDS: Final = 3.0
NOTICE_SECONDS: Final = 1.0
RESTART_SECONDS: Final = 8.0
"""Kubelet marks all devices unhealthy until the plugin has registered anew."""


class PluginHost:
    """Follows the plugin's pods and the nodes' labels."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._serving: dict[str, Run] = {}
        """The plugin's pod by node."""
        self._pending: set[str] = set()
        """Nodes whose plugin is about to publish: it reads the label then."""

    def on_started(self, run: Run) -> None:
        """A pod runs: if it is the plugin, its node will have GPUs."""
        if is_plugin(run.pod) and not run.machine.mig:
            self._serving[run.machine.name] = run
            self._publish_later(run.machine, REGISTER_SECONDS)

    def on_stopped(self, run: Run) -> None:
        """A pod has gone: without the plugin kubelet has no healthy device."""
        if self._serving.get(run.machine.name) is run:
            del self._serving[run.machine.name]
            self._world.later(0, f"node/{run.machine.name}/withdraw", lambda: self._withdraw(run.machine))

    def on_ready(self, machine: Machine) -> None:
        """Bottlerocket runs the plugin itself, and takes its configuration from the settings, not from a label."""
        if not machine.has_driver or machine.suffers("plugin_crashes") or machine.suffers("never_allocatable"):
            return
        if machine.mig:
            self._world.node_patch(machine.name, mig_status(machine))
        elif machine.release.family == "bottlerocket":
            machine.devices.publish(slicing_of(machine.flags.plugin))
            self._world.node_patch(machine.name, gpu_status(machine))

    def on_label(self, machine: Machine, node: Json) -> None:
        """The node's labels were seen: a new configuration restarts a plugin that serves another."""
        with self._world.lock:
            run = self._serving.get(machine.name)
            if run is None or machine.name in self._pending or configs_of(run.pod) is None:
                return
            if manager_of(run.pod).wanted(node["metadata"].get("labels", {})) == machine.config:
                return
            self._world.later(NOTICE_SECONDS, f"node/{machine.name}/withdraw", lambda: self._withdraw(machine))
            self._publish_later(machine, NOTICE_SECONDS + RESTART_SECONDS)

    def _publish_later(self, machine: Machine, delay: float) -> None:
        with self._world.lock:
            self._pending.add(machine.name)
        self._world.later(delay, f"node/{machine.name}/publish", lambda: self._publish(machine))

    def _publish(self, machine: Machine) -> None:
        node, run = self._world.mirror.nodes.get(machine.name), self._serving.get(machine.name)
        configs = self._configs(run.pod) if run else None
        with self._world.lock:
            self._pending.discard(machine.name)
            if node is None or run is None or machine.stage == "silent":
                return
            labels, manager = node["metadata"].get("labels", {}), manager_of(run.pod)
            machine.config = manager.wanted(labels)
            sharing = Sharing() if configs is None else sharing_of(configs, manager.choose(labels, configs))
            if machine.suffers("never_allocatable") and sharing != machine.served:
                sharing = None
            elif not machine.suffers("never_allocatable"):
                machine.served = sharing
            machine.devices.publish(sharing)
            status = gpu_status(machine)
        self._world.node_patch(machine.name, status)

    def _withdraw(self, machine: Machine) -> None:
        with self._world.lock:
            if machine.stage == "silent":
                return
            machine.devices.publish(None)
            status = gpu_status(machine)
        self._world.node_patch(machine.name, status)

    def _configs(self, pod: Json) -> dict[str, str] | None:
        """What the plugin's pod finds under /available-configs."""
        if (name := configs_of(pod)) is None:
            return None
        return self._world.config_map(pod["metadata"]["namespace"], name) or {}
