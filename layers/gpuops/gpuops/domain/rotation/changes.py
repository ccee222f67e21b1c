"""What a roll touches, in words, before it touches it: for the plan, and for whoever is asked to approve it."""

from collections.abc import Iterator

from gpuops.domain.rotation.move import move_changes
from gpuops.domain.rotation.owner import owner_of
from gpuops.domain.rotation.situation import Situation
from gpuops.domain.rotation.strategy import GROWING, Strategy, suspended_by
from gpuops.domain.rotation.target import Target


def changes_of(situation: Situation, strategy: Strategy, canaries: int, surge: int) -> tuple[str, ...]:
    """Return what the roll changes, with so many canaries and then so many nodes at a time."""
    sizes = _sizes(situation, strategy, canaries, surge)
    return (*_launches(situation, canaries), *sizes, *_settings(situation, strategy))


def _launches(situation: Situation, canaries: int) -> Iterator[str]:
    """What new nodes get, and who is first."""
    move, old = situation.move, situation.nodegroup
    if move and old:
        yield from move_changes(move, old, owner_of([old.tags]))
    else:
        yield f"new launch template version with {named(situation.target)}"
    if situation.facts.driver.version is None:
        yield "nobody knows its driver: the first new node tells it"
    if situation.adds_startup_taint:
        yield "new launch template version registers the startup taint"
    if canaries:
        yield f"{canaries} canaries first, watched for {situation.policy.canary.bake_minutes} minutes"


def _sizes(situation: Situation, strategy: Strategy, canaries: int, surge: int) -> Iterator[str]:
    """How many nodes more there are for a while, or fewer."""
    group, policy = situation.group, situation.policy
    if strategy not in GROWING:
        floor = policy.floor.of(group.desired, policy.surge)
        how = "old nodes go first" if strategy == "terminate_first" else "instances stay and get another root volume"
        yield f"{how}: {max(surge, 1)} out of service at a time, never fewer than {floor} in service"
        return
    size = group.desired + max(canaries, surge)
    yield f"desired capacity {group.desired} to {size}, while it rolls"
    if size > group.max and not situation.move:
        yield f"maximum size {group.max} to {size}, while it rolls"


def _settings(situation: Situation, strategy: Strategy) -> Iterator[str]:
    """What stands still meanwhile."""
    yield f"suspend {', '.join(suspended_by(strategy))}, while it rolls"
    if not situation.group.protects_new and not situation.move:
        yield "protect new instances from scale-in, while it rolls"


def named(target: Target) -> str:
    """Return the AMI as people know it, and its id."""
    return f"{target.release} ({target.ami})"
