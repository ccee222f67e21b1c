"""When an admission needs people, and what they are told."""

from typing import Any

from gpuops.domain.admission.answers import Admitted, Found
from gpuops.domain.admission.event import launch_of, replaces_root
from gpuops.domain.run import Run


def needs_people(answer: Admitted, event: Any, found: Found | None) -> bool:
    """Whether nobody else ends it: Auto Scaling replaces no instance whose hook does not wait, or is not answered."""
    if answer.status == "held":
        return replaces_root(event)
    return answer.status == "abandoned" and found is not None and found.hook is None


def whom(event: Any, run: Run | None, found: Found | None, why: str) -> dict[str, Any]:
    """The escalation: which instance, as far as that is known."""
    launch = launch_of(event)
    who = launch.model_dump(include={"group", "instance"}) if launch else {}
    who |= run.model_dump(include={"cluster", "group"}) if run else {}
    who |= found.model_dump(include={"instance", "node"}) if found else {}
    return {**who, "reason": why}
