"""From a fault to its execution: where is it, is it ours to act on, and does one answer for that instance already?

Whoever notices a fault comes through here: `receive_signals` with events, `detect_faults` with what it saw itself.
"""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gpuops.adapters.world import World
from gpuops.domain.errors import Conflict
from gpuops.domain.faults.fault import GpuFault
from gpuops.domain.faults.incident import Incident, coalesce, name_of
from gpuops.domain.faults.place import Place
from gpuops.domain.policy import Policy

Became = Literal["started", "joined", "late", "nowhere", "elsewhere", "foreign"]
"""`nowhere`: no instance that lives; `elsewhere`: its group is not in the policy; `foreign`: another cluster's."""


@dataclass(frozen=True)
class Told:
    """What became of one fault."""

    status: Became
    reason: str


def tell(fault: GpuFault, source: str, now: datetime, policy: Policy, world: World) -> Told:
    """Have the fault answered, by the execution that answers for its instance already or by a new one.

    Repeating does no harm. Raises: Conflict when another signal opened an incident at this moment; Unavailable.
    """
    place = locate(fault, world)
    if place is None:
        return Told("nowhere", f"{fault.title}: no instance that lives is {_named(fault)}")
    group = next((group for group in policy.groups if group.group == place.group), None)
    if group is None:
        named = place.group or "no Auto Scaling group"
        return Told("elsewhere", f"{fault.title} on {place.instance}: {named} is not in the policy")
    if fault.cluster not in {"", group.cluster}:
        return Told("foreign", f"{fault.title} on {place.instance}: told of cluster {fault.cluster}")
    where = {"cluster": group.cluster, "node": fault.node or place.node, "instance": place.instance}
    return _answer(fault.model_copy(update=where), source, now, world)


def locate(fault: GpuFault, world: World) -> Place | None:
    """Return where the fault is: by its instance, its node, or by what is remembered of its GPU."""
    if fault.instance:
        return world.places.of_instance(fault.instance)
    if fault.node:
        return world.places.of_node(fault.node)
    known = world.memory.faulty_gpus([fault.uuid])
    return world.places.of_instance(known[0].instance) if known else None


def _answer(fault: GpuFault, source: str, now: datetime, world: World) -> Told:
    """Open an incident, or join the one that there is."""
    machine, seen = os.environ["REMEDIATE_GPU_MACHINE_ARN"], world.incidents.of(fault.instance)
    execution = world.executions.of_machine(machine, seen.execution) if seen else None
    decided = coalesce(seen, execution, fault)
    if decided.verdict == "late":
        return Told("late", decided.reason)
    if seen is not None and decided.verdict == "join":
        if not world.incidents.ring(seen, source):
            raise Conflict(f"another incident of {fault.instance} was opened just now")
        return Told("joined", decided.reason)
    incident = seen if seen and decided.verdict == "resume" else _open(fault, source, now, seen, world)
    started = world.executions.start(machine, incident.execution, _input(fault))
    return Told("started" if started else "joined", f"{incident.execution}: {decided.reason}")


def _open(fault: GpuFault, source: str, now: datetime, seen: Incident | None, world: World) -> Incident:
    """Write the incident before its execution is started: rather one that is resumed than two that run."""
    one = frozenset({source})
    name = name_of(fault.instance, now)
    incident = Incident(
        instance=fault.instance, execution=name, opened=now, sources=one, ringing=one, hurries=fault.hurries
    )
    if not world.incidents.open(incident, seen):
        raise Conflict(f"another incident of {fault.instance} was opened just now")
    return incident


def _input(fault: GpuFault) -> str:
    """The input of remediate_gpu."""
    return json.dumps({"fault": fault.model_dump(mode="json")})


def _named(fault: GpuFault) -> str:
    return fault.instance or fault.node or fault.uuid
