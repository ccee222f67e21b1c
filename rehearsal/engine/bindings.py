"""What the patched interpreter is bound to: moto's classes are global, so the clock and its neighbours are, too."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rehearsal.clock import Clock

Invoke = Callable[[str, bytes], tuple[bytes, str | None]]
ClientFactory = Callable[[str, str], Any]
Authorise = Callable[[str, str], bool]


@dataclass(frozen=True)
class Progress:
    """An execution started (no state yet), entered a state, or ended (status no longer RUNNING)."""

    at: float
    arn: str
    machine_arn: str
    name: str
    status: str
    state: str | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None


Listener = Callable[[Progress], None]


@dataclass
class Bindings:
    """See `rehearsal.engine.install`."""

    clock: Clock
    invoke: Invoke
    client_for: ClientFactory | None
    authorise: Authorise | None
    listener: Listener | None
    draws: Counter[str] = field(default_factory=Counter)
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def draw(self) -> bytes:
        """Sixteen bytes of chance, which depend on the seed, the simulated thread, and how often it drew."""
        lineage = self.clock.baton.local.lineage
        key = lineage.key if lineage else "outside"
        self.draws[key] += 1
        return hashlib.blake2b(f"{self.clock.seed}\0{key}\0{self.draws[key]}".encode(), digest_size=16).digest()

    def fraction(self) -> float:
        """A draw in [0, 1)."""
        return int.from_bytes(self.draw()[:6], "big") / 2**48

    def uuid(self) -> str:
        """A draw in the shape of a version 4 UUID."""
        return str(uuid.UUID(bytes=self.draw(), version=4))

    def tell(self, progress: Progress) -> None:
        """Pass progress on to the listener."""
        if self.listener is not None:
            self.listener(progress)


current: Bindings | None = None


def bound() -> Bindings:
    """The bindings now. Raises: RuntimeError before `install`."""
    if current is None:
        raise RuntimeError("rehearsal.engine.install was not called")
    return current
