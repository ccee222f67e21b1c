"""The life of pods on simulated machines: taken in, started, ended, deleted.

As kubelets do: a pod is admitted when it arrives, so a node without the devices that the scheduler believed in fails
it; a pod that is meant to end shows its end before it is deleted (others are deleted at once, which saves a write).
"""

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address
from itertools import count
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.devices import gpus_asked
from rehearsal.kubelets.machine import Machine
from rehearsal.kubelets.run import Run, Stage, role_of
from rehearsal.kubelets.starving import BACK_OFF_SECONDS, starves
from rehearsal.kubelets.status import Place, crashing, ended, rejected, running
from rehearsal.kubelets.volumes import Volumes
from rehearsal.kubelets.world import World
from rehearsal.rest.reading import is_deleting, is_terminal

START_SECONDS: Final = 5.0
STOP_SECONDS: Final = 2.0
KILLED: Final = 143
"""128 + SIGTERM."""
LOST: Final = 137
"""128 + SIGKILL."""
POD_NETWORK: Final = IPv4Address("10.128.0.0")


class Pods:
    """All pods that the simulated kubelets have taken in, by uid."""

    def __init__(self, world: World, on_started: Callable[[Run], None], on_stopped: Callable[[Run], None]) -> None:
        """`on_started` and `on_stopped` are told of each pod that begins or ceases to run."""
        self._world, self._on_started, self._on_stopped = world, on_started, on_stopped
        self.volumes = Volumes(world, self._mounted)
        self.runs: dict[str, Run] = {}
        self._names: dict[tuple[str, str, int], str] = {}
        self._addresses = count(10)

    def on_event(self, machine: Machine, pod: Json, *, gone: bool) -> None:
        """Take in what the watch says of a pod that is bound to a machine of ours."""
        with self._world.lock:
            run = self.runs.get(pod["metadata"]["uid"])
            if run is not None:
                run.pod = pod
            if gone:
                self._forget(run)
            elif machine.stage != "silent":
                self._advance(machine, run, pod)

    def resume(self, machine: Machine) -> None:
        """Start what waited for the machine's kubelet to be ready."""
        with self._world.lock:
            for run in self.on(machine):
                if run.stage == "held":
                    self._admit(run)

    def freeze(self, machine: Machine) -> None:
        """Nothing happens on the machine any more: its pods neither end nor leave."""
        with self._world.lock:
            for run in self.on(machine):
                self._cancel(run)

    def bury(self, machine: Machine) -> None:
        """The machine lost its volume: its kubelet starts daemons anew and finds all other pods dead."""
        with self._world.lock:
            runs = [run for run in self.on(machine) if run.stage not in ("rejected", "ended", "left")]
            for run in runs:
                machine.devices.release(run.uid)
                run.stage = "held"
        for run in runs:
            self._on_stopped(run)
            if is_deleting(run.pod):
                self._leave(run)
            elif not run.is_daemon and run.place is not None:
                self._end(run, dict.fromkeys(run.outcomes, LOST), "ended")
        for pod in self._world.pods_on(machine.name):
            self.on_event(machine, pod, gone=False)

    def reconsider(self, machine: Machine) -> None:
        """Something broke or healed: what cannot stay up crashes, and what crashed for it starts again."""
        with self._world.lock:
            for run in self.on(machine):
                if run.crashes and run.stage == "running":
                    self._set(run, "crashing", 0, "crash", partial(self._crash, run))
                elif run.stage == "crashing" and not run.crashes:
                    self._set(run, "starting", START_SECONDS, "run", partial(self._start, run))

    def on(self, machine: Machine) -> list[Run]:
        """The pods on a machine, in order of arrival."""
        return [run for run in self.runs.values() if run.machine is machine]

    def _advance(self, machine: Machine, run: Run | None, pod: Json) -> None:
        if is_deleting(pod):
            if run is None or run.stage not in ("leaving", "left"):
                self._leave(run or self._new(machine, pod))
        elif run is None and not is_terminal(pod):
            run = self._new(machine, pod)
            if machine.stage == "ready":
                self._admit(run)

    def _new(self, machine: Machine, pod: Json) -> Run:
        role = role_of(pod)
        index = next(i for i in count() if (role, machine.name, i) not in self._names)
        run = self.runs[pod["metadata"]["uid"]] = Run(pod, machine, index)
        self._names[role, machine.name, index] = run.uid
        return run

    def _admit(self, run: Run) -> None:
        asked, devices = gpus_asked(run.pod), run.machine.devices
        if asked and (why := devices.refusal(asked) or devices.allocate(run.uid, asked)):
            self._set(run, "rejected", 0, "reject", partial(self._reject, run, why))
        elif self.volumes.needs(run):
            self._set(run, "mounting", 0, "mount", partial(self.volumes.use, run))
        else:
            self._set(run, "starting", START_SECONDS, "run", lambda: self._start(run))

    def _mounted(self, node: str) -> None:
        """Start what waited for its volumes alone."""
        with self._world.lock:
            for run in list(self.runs.values()):
                if run.machine.name == node and run.stage == "mounting" and self.volumes.are_ready(run):
                    self._set(run, "starting", START_SECONDS, "run", partial(self._start, run))

    def _leave(self, run: Run) -> None:
        grace = run.pod["metadata"].get("deletionGracePeriodSeconds")
        wait = min(STOP_SECONDS, STOP_SECONDS if grace is None else grace)
        self._set(run, "leaving", wait, "del", lambda: self._stop(run))

    def _set(self, run: Run, stage: Stage, delay: float, verb: str, fn: Callable[[], None]) -> None:
        self._cancel(run)
        run.stage = stage
        run.timer = self._world.later(delay, run.key(verb), fn)

    def _start(self, run: Run) -> None:
        with self._world.lock:
            place = Place(self._address(run), run.machine.instance.ip, self._world.clock.now())
            run.begin(place)
            run.starved = starves(run, self.runs)
            run.stage = "crashing" if run.crashes else "running"
        if run.crashes:
            self._world.pod_patch(run.pod, crashing(run.pod, place))
            if run.starved:
                self._set(run, "crashing", BACK_OFF_SECONDS, "again", partial(self._start, run))
            return
        self._world.pod_patch(run.pod, running(run.pod, place, ready=run.is_ready))
        self._on_started(run)
        with self._world.lock:
            if run.stage == "running" and run.seconds is not None:
                self._set(run, "running", run.seconds, "end", lambda: self._end(run, run.exit_codes(), "ended"))

    def _crash(self, run: Run) -> None:
        if run.place is not None and not is_deleting(run.pod):
            self._world.pod_patch(run.pod, crashing(run.pod, run.place))
            self._on_stopped(run)

    def _end(self, run: Run, exit_codes: dict[str, int], stage: Stage) -> None:
        with self._world.lock:
            run.stage, place = stage, run.place
            run.machine.devices.release(run.uid)
        if place is not None and not is_terminal(run.pod):
            self._world.pod_patch(run.pod, ended(run.pod, place, exit_codes, self._world.clock.now()))

    def _reject(self, run: Run, why: str) -> None:
        self._world.pod_patch(run.pod, rejected(why, self._world.clock.now()))

    def _stop(self, run: Run) -> None:
        if run.ends:
            self._end(run, dict.fromkeys(run.outcomes, KILLED), "leaving")
        with self._world.lock:
            run.stage = "left"
            run.machine.devices.release(run.uid)
        self._on_stopped(run)
        self._world.pod_delete(run.pod)

    def _forget(self, run: Run | None) -> None:
        if run is None:
            return
        self._cancel(run)
        run.machine.devices.release(run.uid)
        del self.runs[run.uid]
        del self._names[role_of(run.pod), run.machine.name, run.index]
        if run.stage != "left":
            self._on_stopped(run)

    def _cancel(self, run: Run) -> None:
        if run.timer is not None:
            self._world.clock.cancel(run.timer)
            run.timer = None

    def _address(self, run: Run) -> str:
        if run.place is not None:
            return run.place.pod_ip  # a pod that starts again keeps its address
        if run.pod["spec"].get("hostNetwork"):
            return run.machine.instance.ip
        return str(POD_NETWORK + next(self._addresses))
