"""How a change opens: what is written down before the first act, and the goals that each stage then has.

The originals come first, so goals are computed from what the group was, never from what a half-done attempt left.
"""

from datetime import datetime

from gpuops.domain.rotation.change import GroupUpdate, Moved, Undo
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.strategy import IN_PLACE, Strategy, suspended_by
from gpuops.domain.rotation.target import Target
from gpuops.domain.run import Run


def originals(
    group: Group,
    run: Run,
    *,
    target: Target,
    surge: int,
    moved: tuple[Moved, ...],
    now: datetime,
    order: tuple[str, ...] = (),
    strategy: Strategy = "surge",
    candidates: tuple[str, ...] = (),
) -> Undo:
    """Return what must be written down before the first act on the group; with candidates, canaries go first."""
    return Undo(
        run=run,
        at=now,
        target=target,
        stage="canary" if candidates else "forward",
        surge=surge,
        max=group.max,
        desired=group.desired,
        launch=group.launch,
        suspended=group.suspended & set(suspended_by(IN_PLACE)),
        protects_new=group.protects_new,
        moved=moved,
        strategy=strategy,
        order=order,
        candidates=candidates,
    )


def open_goals(group: Group, undo: Undo) -> GroupUpdate:
    """Return what is still missing for the stage to be open; a scale-up by somebody else in between is kept."""
    size = undo.size - undo.given_back(group)
    return GroupUpdate(
        launch=undo.opened_launch if group.launch != undo.opened_launch else None,
        max=size if group.max < size else None,
        desired=size if undo.surge and group.desired < size else None,
        protects_new=True if not group.protects_new else None,
    )


def missing_suspensions(group: Group, undo: Undo) -> tuple[str, ...]:
    """Return the processes that still run and must not while the change is open."""
    return tuple(process for process in undo.suspends if process not in group.suspended)
