"""What can be done about a fault, from the gentlest to the last, and which of it disturbs more than one pod."""

from typing import Literal

Action = Literal["none", "restart_pod", "relieve", "reset", "reboot", "replace", "evacuate", "roll_ami", "escalate"]
"""`relieve`: its load moves away, and it is proved before it gets any again; `evacuate`: AWS takes the instance at a
known time, and all that is left to do is to empty it; `roll_ami`: no repair of a node helps, another driver does;
`escalate`: a person decides. The last two keep it closed."""
Choice = Literal["none", "restart_pod", "reset", "reboot", "replace", "roll_ami", "escalate"]
"""What a policy may choose for an Xid: not to relieve what is not hot, nor to evacuate what AWS does not take."""
REPAIRS: tuple[Action, ...] = ("relieve", "reset", "reboot", "replace")
"""Those that take a node out of service, each for what the one before did not mend."""
HARMLESS: tuple[Action, ...] = ("none", "restart_pod")
"""Those for which the node stays open."""


def closes(action: Action) -> bool:
    """Whether the node must take no new work meanwhile."""
    return action not in HARMLESS


def next_step(action: Action) -> Action:
    """Return what follows where this did not help."""
    if action == "relieve":
        return "replace"  # what is too hot, or short of power, is so after a reset as well
    ladder: tuple[Action, ...] = (*REPAIRS, "escalate")
    return ladder[ladder.index(action) + 1] if action in REPAIRS else "escalate" if closes(action) else "reset"
