"""What the device plugin v0.20.0 makes of a configuration file, and everything in it that it would not honour.

Its parser takes unknown keys and shares nothing, takes two sharings and drops one, drops what it does not support
yet: a cluster then offers other GPUs than its file says, and nothing complains. So whoever writes a file, and gpuops
before it labels a node with one, asks here first. Modelled on k8s-device-plugin, api/config/v1, sigs.k8s.io/yaml
v1.6.0 and encoding/json.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gpuops.domain.keys import GPU_RESOURCE
from gpuops.domain.plugin_config.flags import MIG_MIXED, take_flags, take_imex, take_resources
from gpuops.domain.plugin_config.gojson import Fault, Faults, kind_of, struct, text
from gpuops.domain.plugin_config.goyaml import Item, Reading, read
from gpuops.domain.plugin_config.sharing import Replicated, take_mps, take_replicated, warn_of_unoffered
from gpuops.domain.plugin_config.yamltree import Unreadable

VERSION = "v1"
Strategy = Literal["none", "time-slicing", "mps"]


class Problem(BaseModel):
    """One thing to mend in the file."""

    model_config = ConfigDict(frozen=True)

    line: int
    reason: str


class Report(BaseModel):
    """The verdict on one file."""

    model_config = ConfigDict(frozen=True)

    accepted_by_plugin: bool
    """Whether the plugin reads it; it may still pass things over."""
    effective: tuple[str, ...] = ()
    """What it then shares, as its own parser prints it; empty: GPUs are exclusive."""
    problems: tuple[Problem, ...] = ()
    """What it refuses or passes over, by line; empty: the file comes to what it says."""
    strategy: Strategy = "none"
    fail_requests_greater_than_one: bool = False
    replicas: int = 1
    """Shares of each GPU; 0 where the plugin exits, which leaves a node without GPUs."""
    resource: str = GPU_RESOURCE
    """The name under which the GPUs are offered."""


def check_plugin_config(document: str) -> Report:
    """Return what the plugin makes of the text, whatever it is."""
    faults = Faults()
    try:
        reading = read(document)
    except Unreadable as error:
        faults.refuse(error.line, str(error))
        return _report(faults, None, None)
    for line, reason in reading.lost:
        faults.warn(line, reason)
    return _judge(reading, faults)


def _judge(reading: Reading, faults: Faults) -> Report:
    versions: list[Item] = []
    fields = {
        "version": lambda faults, item, name: _take_version(faults, item, name, versions),
        "flags": take_flags,
        "resources": take_resources,
        "sharing": _take_sharing,
        "imex": take_imex,
    }
    taken = struct(faults, reading.root, "the file", fields)
    if versions and versions[-1].value not in {"", VERSION}:
        faults.refuse(versions[-1].line, f"version must be {VERSION}, not {kind_of(versions[-1])}")
    sharing = taken.get("sharing") or {}
    mps = sharing.get("mps")
    active = mps or sharing.get("timeSlicing")
    mig_strategy = (taken.get("flags") or {}).get("migStrategy")
    if mps and mig_strategy == MIG_MIXED:
        faults.warn(reading.root.line, "mps does not go with migStrategy mixed: the file is read, and the plugin exits")
    if active:
        warn_of_unoffered(faults, active.resources, mig_strategy)
    return _report(faults, active, mps)


def _take_version(faults: Faults, item: Item, name: str, given: list[Item]) -> None:
    """Take the version; sigs.k8s.io/yaml makes text of a number, so that only the value decides."""
    if isinstance(item.value, dict | list):
        text(faults, item, name)
    elif item.value is not None:
        given.append(item)


def _take_sharing(faults: Faults, item: Item, name: str) -> dict[str, Replicated | None]:
    taken = struct(faults, item, name, {"timeSlicing": take_replicated, "mps": take_mps})
    if taken.get("timeSlicing") and taken.get("mps"):
        line = item.key_lines.get("timeSlicing", item.line)
        faults.warn(line, "timeSlicing is ignored, because mps is given too, and wins")
    return taken


def _report(faults: Faults, active: Replicated | None, mps: Replicated | None) -> Report:
    problems = tuple(Problem(line=fault.line, reason=fault.reason) for fault in sorted(faults, key=_place))
    if any(fault.refused for fault in faults):
        return Report(accepted_by_plugin=False, problems=problems, replicas=0)
    if active is None:
        return Report(accepted_by_plugin=True, problems=problems)
    ours = [shared for shared in active.resources if shared.name == GPU_RESOURCE]
    fail = active.fail_requests_greater_than_one
    return Report(
        accepted_by_plugin=True,
        effective=tuple(str(shared) for shared in active.resources),
        problems=problems,
        strategy="mps" if mps else "time-slicing",
        fail_requests_greater_than_one=bool(mps) if fail is None else fail,
        replicas=max((shared.replicas for shared in ours), default=1),
        resource=next((shared.rename for shared in ours if shared.rename), GPU_RESOURCE),
    )


def _place(fault: Fault) -> tuple[bool, int]:
    """What ends the plugin first, then by line."""
    return (not fault.refused, fault.line)
