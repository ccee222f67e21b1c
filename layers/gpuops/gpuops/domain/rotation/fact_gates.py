"""The gates that facts close: Kubernetes' skew, boards against drivers, workloads against CUDA.

What they refuse would break nodes or workloads on every node of the group, and no waiting mends it: it is rejected
before anything is touched. Each reason names who needs what, and what the AMI has.
"""

from collections.abc import Callable

from gpuops.domain.drivers.cuda import cuda_table, supports
from gpuops.domain.drivers.families import gpu_families
from gpuops.domain.drivers.require import Offer, holds, shortened
from gpuops.domain.drivers.versions import is_version, parse_version
from gpuops.domain.errors import Invalid
from gpuops.domain.keys import REQUIRES_CUDA
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.rotation.closed import Closed
from gpuops.domain.rotation.facts import Facts

OLDER_MINORS = 3
"""How much older than the control plane kubelet may be (Kubernetes' version skew policy, from 1.28 on)."""

FactGate = Callable[[Facts, GroupPolicy], Closed | None]


def gate_kubernetes(facts: Facts, _policy: GroupPolicy) -> Closed | None:
    """Kubelet must not be newer than the control plane, nor more than three minors older."""
    minor, control_plane = facts.release.minor, facts.kubernetes
    if minor is None or control_plane is None:
        return None
    gap = parse_version(control_plane)[1] - parse_version(minor)[1]
    if 0 <= gap <= OLDER_MINORS:
        return None
    what = "newer than the control plane's" if gap < 0 else f"more than {OLDER_MINORS} minors older than"
    return Closed(f"{facts.ami} is for Kubernetes {minor}, {what} {control_plane}", never=True)


def gate_boards(facts: Facts, _policy: GroupPolicy) -> Closed | None:
    """Every type that the group may launch must run the AMI, and have boards that take its driver."""
    for kind in facts.types:
        if facts.architecture and kind.architectures and facts.architecture not in kind.architectures:
            has = ", ".join(kind.architectures)
            return Closed(f"{facts.ami} is for {facts.architecture}; {kind.name} is {has}", never=True)
        family = gpu_families().of(kind.name)
        if family and facts.driver.version and (refusal := family.refusal(facts.driver.version)):
            return Closed(f"{refusal}; {facts.ami} has {facts.driver.title}", never=True)
    return None


def gate_driver(facts: Facts, policy: GroupPolicy) -> Closed | None:
    """An unknown driver is held where the policy says so; a known one must not be older than the policy's floor."""
    version, floor = facts.driver.version, policy.cuda.driver_floor
    if version is None:
        unknown = f"nobody knows the driver of {facts.ami}: name it in the policy, under cuda.drivers"
        return Closed(unknown) if policy.cuda.unknown_driver == "hold" else None
    if floor and parse_version(version) < parse_version(floor):
        return Closed(f"the policy's cuda.driver_floor is {floor}; {facts.ami} has {facts.driver.title}", never=True)
    return None


def gate_workloads(facts: Facts, policy: GroupPolicy) -> Closed | None:
    """The driver must serve what the policy's floor and every workload of the group need."""
    if facts.driver.version is None:
        return None
    if floor := policy.cuda.floor:
        closed = _lacks(floor, "the policy's cuda.floor", facts, package=_carries(facts, policy))
        if closed:
            return closed
    for need in facts.needs:
        who = f"{need.workload} ({need.image}, by its {need.source})"
        for required in need.requires:
            if closed := _lacks(required, who, facts):
                return closed
    return None


def gate_images(facts: Facts, policy: GroupPolicy) -> Closed | None:
    """What says nothing, and whose image cannot be read, may need anything; the policy's floor speaks for it."""
    if not facts.unread or facts.driver.version is None or policy.cuda.floor:
        return None
    first, more = facts.unread[0], len(facts.unread) - 1
    others = f" (and {more} more)" if more else ""
    how = f"annotate its pods with {REQUIRES_CUDA}, or give the group a cuda.floor"
    return Closed(f"what {first.workload}{others} needs cannot be read from {first.image}: {first.why}; {how}")


FACT_GATES: tuple[FactGate, ...] = (gate_kubernetes, gate_boards, gate_driver, gate_workloads, gate_images)


def first_refusal(facts: Facts, policy: GroupPolicy) -> Closed | None:
    """Return why the first of these gates that is closed is closed, or None."""
    return next((closed for gate in FACT_GATES if (closed := gate(facts, policy))), None)


def _lacks(required: str, who: str, facts: Facts, *, package: bool = False) -> Closed | None:
    """Why the driver does not serve a toolkit or an expression; for ever only where the tables know the driver."""
    has = f"{facts.ami} has {facts.driver.title}"
    try:
        if is_version(required):
            found = supports(str(facts.driver.version), required, cuda_table(), package=package)
            never = found.kind == "none"
            return None if found.holds else Closed(f"{who} needs CUDA {required}; {has}: {found.reason}", never=never)
        missing = not all(holds(required, offer) for offer in _offers(facts))
    except Invalid as error:
        return Closed(f"{who} requires what cannot be read: {error}")
    never = not facts.driver.at_least
    return Closed(f"{who} requires {shortened(required)}; {has}", never=never) if missing else None


def _offers(facts: Facts) -> list[Offer]:
    """What a node of each type would have; where the table knows none of them, what is the same for all."""
    families = {found.family: found for kind in facts.types if (found := gpu_families().of(kind.name))}
    cuda, driver = facts.driver.cuda, facts.driver.version
    offers = [Offer(cuda, driver, family.compute, family.brands) for _, family in sorted(families.items())]
    return offers or [Offer(cuda, driver)]


def _carries(facts: Facts, policy: GroupPolicy) -> bool:
    """Whether forward compatibility counts: NVIDIA promises it for data-centre boards alone."""
    boards = [found for kind in facts.types if (found := gpu_families().of(kind.name))]
    return policy.cuda.compat_package and all(board.data_centre for board in boards)
