"""What the fleet asks of its neighbours: timers, a bus, kubelets; and what it hands them, one launched instance.

Protocols rather than imports, so that the fleet can be tested without the clock's threads and without a cluster.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

ACCOUNT = "123456789012"
REGION = "us-east-1"

Emit = Callable[[str, str, dict[str, Any], list[str]], object]
"""source, detail-type, detail, resources."""


@dataclass(frozen=True)
class SimInstance:
    """An instance as its kubelet sees it; `user_data` is base64, as EC2 keeps it."""

    instance_id: str
    instance_type: str
    zone: str
    ami: str
    user_data: str
    group: str
    private_dns: str
    ip: str
    launch: int = 0
    """Which of its group's launches it came from, counted from 1."""


class Timers(Protocol):
    """The part of the clock that the fleet uses."""

    def now(self) -> float:
        """Simulated epoch seconds."""

    def call_later(self, delay: float, key: str, fn: Callable[[], None], *, batch: str | None = None) -> Any:
        """Run `fn` after `delay` simulated seconds."""

    def cancel(self, timer: Any) -> None:
        """Forget a timer; one that has fired is fine."""


class Machines(Protocol):
    """The kubelets: something boots on every instance, perhaps again, and dies with it."""

    def boot(self, instance: SimInstance) -> object:
        """The instance was launched."""

    def reboot(self, instance: SimInstance) -> object:
        """The instance has a new root volume and starts from it."""

    def terminate(self, instance_id: str) -> object:
        """The instance is shutting down."""


class ClusterNodes(Protocol):
    """What EKS does inside the cluster while it updates a node group; nodes are named as the cluster names them."""

    def is_ready(self, name: str) -> bool:
        """Whether the node is Ready, whatever its taints."""

    def cordon(self, name: str, *, on: bool) -> None:
        """Keep new pods away, or no longer."""

    def evict(self, name: str, *, force: bool) -> int:
        """Tell every pod to go, past its disruption budget with `force`; return how many are still there."""


def moment(timers: Timers) -> datetime:
    """Now, as AWS models want it."""
    return datetime.fromtimestamp(timers.now(), tz=UTC)


def stamp(timers: Timers) -> str:
    """Now, as AWS writes it into texts."""
    return moment(timers).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(*parts: object) -> str:
    """64 hex digits that depend on nothing but the parts: ids must be the same in every run of a seed."""
    return hashlib.sha256("/".join(str(part) for part in parts).encode()).hexdigest()


def uuid_of(*parts: object) -> str:
    """A stable id in the shape of a UUID."""
    text = digest(*parts)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def spread(low: float, high: float, *parts: object) -> float:
    """A whole number of seconds between the two, drawn from the parts: real machines are never in step."""
    return low + int(digest(*parts)[:8], 16) % int(high - low + 1)
