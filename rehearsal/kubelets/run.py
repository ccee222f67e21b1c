"""One pod on one machine: where it has come in its life, and what its containers print."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from rehearsal.kube import Json
from rehearsal.kubelets.exporter import PLAIN, View
from rehearsal.kubelets.logs import SMOKE_SECONDS, Outcome, outcome_of, seconds_of
from rehearsal.kubelets.machine import Machine
from rehearsal.kubelets.plugin import is_plugin
from rehearsal.kubelets.status import Place
from rehearsal.rest.mirror import controller_of

Stage = Literal["held", "mounting", "starting", "rejected", "running", "crashing", "ended", "leaving", "left"]
"""Held: its node's kubelet is not ready yet. Mounting: its volumes are not attached yet. Left: deleted, as far as a
kubelet can."""

RUN_SECONDS: Final = "rehearsal.gpuops.dev/run-seconds"
NEVER_READY: Final = "rehearsal.gpuops.dev/never-ready"


@dataclass(eq=False)
class Run:
    """A pod that a kubelet has taken in."""

    pod: Json
    machine: Machine
    index: int
    stage: Stage = "held"
    timer: Any = None
    place: Place | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    view: View = PLAIN
    """Of an exporter: how it shows what it measures."""
    starved: bool = False
    """Whether its GPU had too little memory left when it started last."""

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return str(self.pod["metadata"]["uid"])

    @property
    def annotations(self) -> Json:
        """The pod's annotations."""
        found: Json = self.pod["metadata"].get("annotations", {})
        return found

    @property
    def is_ready(self) -> bool:
        """Whether it becomes Ready once it runs."""
        return self.annotations.get(NEVER_READY) != "true"

    @property
    def is_daemon(self) -> bool:
        """Whether a DaemonSet owns it."""
        owner = controller_of(self.pod)
        return owner is not None and owner["kind"] == "DaemonSet"

    @property
    def crashes(self) -> bool:
        """Whether its containers cannot stay up: no GPU memory, or a plugin without driver or on a faulty image."""
        return self.starved or (
            is_plugin(self.pod) and (not self.machine.has_driver or self.machine.suffers("plugin_crashes"))
        )

    @property
    def ends(self) -> bool:
        """Whether it is meant to end by itself some day."""
        return bool(self.pod["spec"].get("restartPolicy", "Always") != "Always")

    @property
    def seconds(self) -> float | None:
        """How long it runs; None for as long as it is let."""
        if not self.ends:
            return None
        if RUN_SECONDS in self.annotations:
            return float(self.annotations[RUN_SECONDS])
        if any(self.exit_codes().values()):
            return SMOKE_SECONDS
        longest = max(map(seconds_of, self.containers))
        return None if math.isinf(longest) else longest

    @property
    def containers(self) -> list[Json]:
        """All containers, the init containers first."""
        return [*self.pod["spec"].get("initContainers", ()), *self.pod["spec"]["containers"]]

    def key(self, verb: str) -> str:
        """A timer's key that is the same in every run of a scenario: the pod's own name is random."""
        return f"pod/{role_of(self.pod)}@{self.machine.name}#{self.index}/{verb}"

    def begin(self, place: Place) -> None:
        """Start the containers: from here on their output and their ends are settled."""
        gpus = self.machine.devices.gpus_of(self.uid)
        if self.machine.suffers("wrong_uuids"):
            gpus = self.machine.devices.gpus[: min(1, len(gpus))]
        self.place = place
        self.outcomes = {c["name"]: outcome_of(c, self.annotations, self.machine, gpus) for c in self.containers}

    def exit_codes(self) -> dict[str, int]:
        """How its containers end by themselves."""
        return {name: outcome.exit_code for name, outcome in self.outcomes.items()}


def role_of(pod: Json) -> str:
    """Name a pod by namespace and controller, or by itself if it has none."""
    owner = controller_of(pod) or pod["metadata"]
    return f"{pod['metadata']['namespace']}/{owner['name']}"
