"""What the simulated pod network answers: container logs of the kubelets, metrics of the exporter's pods.

The apiserver comes here for `kubectl logs` and for its pod proxy; nothing is dialled at these addresses.
"""

from typing import Final
from urllib.parse import parse_qs, urlsplit

from rehearsal.kubelets.devices import Gpu
from rehearsal.kubelets.exporter import Load, exposition
from rehearsal.kubelets.machine import Machine
from rehearsal.kubelets.node import KUBELET_PORT
from rehearsal.kubelets.plugin import is_exporter
from rehearsal.kubelets.pods import Pods
from rehearsal.kubelets.run import Run
from rehearsal.kubelets.starving import seen_of
from rehearsal.kubelets.world import World

EXPORTER_PORT: Final = 9400
OK: Final = 200
LOGS: Final = "containerLogs"
Answer = tuple[int, bytes]


class Served:
    """The HTTP answers of nodes and pods."""

    def __init__(self, world: World, pods: Pods) -> None:
        self._world, self._pods = world, pods

    def answer(self, host: str, port: int, path: str) -> Answer:
        """Answer GET `path` on an address of the pod network."""
        with self._world.lock:
            if port == KUBELET_PORT:
                return self._kubelet(host, path)
            if port == EXPORTER_PORT and urlsplit(path).path == "/metrics":
                return self._metrics(host)
        return 404, b"404 page not found\n"

    def exported(self) -> list[tuple[str, str]]:
        """Return what every exporter that answers says, with its pod's name."""
        with self._world.lock:
            pods = [r for r in self._pods.runs.values() if r.place and r.stage == "running" and is_exporter(r.pod)]
            told = [(_named(run)[1], self._metrics(run.place.pod_ip)) for run in pods if run.place]
        return [(name, body.decode()) for name, (status, body) in told if status == OK]

    def _kubelet(self, host: str, path: str) -> Answer:
        machine = next((m for m in self._world.machines.values() if host in (m.name, m.instance.ip)), None)
        if machine is None or machine.stage == "silent":
            return 503, f"no kubelet answers at {host}\n".encode()
        url = urlsplit(path)
        match url.path.strip("/").split("/"):
            case [kind, namespace, name, container] if kind == LOGS:
                return self._log(machine, (namespace, name), container, parse_qs(url.query))
        return 404, b"404 page not found\n"

    def _log(self, machine: Machine, pod: tuple[str, str], container: str, query: dict[str, list[str]]) -> Answer:
        run = next((run for run in self._pods.on(machine) if _named(run) == pod), None)
        if run is None:
            return 404, f'pod "{pod[1]}" does not exist\n'.encode()
        if (outcome := run.outcomes.get(container)) is None:
            return 400, f'container "{container}" in pod "{pod[1]}" is waiting to start\n'.encode()
        lines = outcome.text.splitlines(keepends=True)
        tail = int(query.get("tailLines", [str(len(lines))])[0])
        return 200, "".join(lines[max(0, len(lines) - tail) :]).encode()

    def _metrics(self, host: str) -> Answer:
        runs = self._pods.runs.values()
        found = (r for r in runs if r.place and r.place.pod_ip == host and r.stage == "running" and is_exporter(r.pod))
        exporter = next(found, None)
        if exporter is None or exporter.machine.stage == "silent" or exporter.machine.suffers("exporter_dead"):
            return 503, f"nothing listens at {host}:{EXPORTER_PORT}\n".encode()
        machine = exporter.machine
        up = self._world.clock.now() - machine.ready_at
        loads = [self._load(machine, gpu, up) for gpu in machine.devices.gpus]
        return 200, exposition(machine, loads, exporter.view).encode()

    def _load(self, machine: Machine, gpu: Gpu, up: float) -> Load:
        shares = machine.devices.shares(gpu)
        return Load(gpu, [seen_of(self._pods.runs[uid]) for uid, _ in shares], up, [replica for _, replica in shares])


def _named(run: Run) -> tuple[str, str]:
    return run.pod["metadata"]["namespace"], run.pod["metadata"]["name"]
