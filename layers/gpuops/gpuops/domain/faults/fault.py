"""What every signal about a GPU node becomes, wherever it came from: one value that decisions are made of."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Kind = Literal["xid", "memory", "thermal", "power", "link", "hardware", "interruption", "rebalance", "maintenance"]
"""`memory`: ECC and remapped rows; `link`: NVLink and fabric; `hardware`: a GPU fault of no nearer name.
`interruption`: AWS takes the instance at a known time; `rebalance`: it may soon; `maintenance`: it will, on a date."""
INTERRUPTION: Final = "interruption"
MAX_LINES, MAX_LINE = 8, 300
"""Evidence travels through states and messages."""


class GpuFault(BaseModel):
    """One fault of one node; empty where the signal does not say."""

    model_config = ConfigDict(frozen=True)

    cluster: str = ""
    node: str = ""
    """Name of the Node."""
    instance: str = ""
    uuid: str = ""
    """Of the GPU; a signal about the whole node names none."""
    kind: Kind
    xid: Annotated[int, Field(ge=1, le=999)] | None = None
    evidence: tuple[str, ...] = ()
    """Lines for a person, in the sender's words: untrusted, bounded, never a part of a command or a query."""
    first_seen: AwareDatetime
    deadline: AwareDatetime | None = None
    """When AWS takes the instance, where it says so."""

    @property
    def hurries(self) -> bool:
        """Whether AWS takes the instance so soon that nobody may be waited for."""
        return self.kind == INTERRUPTION and self.deadline is not None

    @property
    def names_a_place(self) -> bool:
        """Whether anybody could find out which node it is about."""
        return bool(self.node or self.instance or self.uuid)

    @property
    def title(self) -> str:
        """How lines and messages name it."""
        return f"Xid {self.xid}" if self.kind == "xid" and self.xid else self.kind


def lines(*texts: str) -> tuple[str, ...]:
    """Return texts from outside as evidence: single lines without control characters, so many and so long."""
    clean = (" ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_LINE] for text in texts)
    return tuple(line for line in clean if line)[:MAX_LINES]
