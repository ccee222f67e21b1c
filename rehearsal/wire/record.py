"""The wire's record: one JSON line for each call that passed, was refused or was struck.

Tokens, presigned URLs, headers, queries and bodies never get in: a line holds names, numbers and ARNs only.
"""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One call."""

    at: float
    """Simulated time, epoch seconds."""
    caller: str
    role: str | None
    service: str
    action: str
    resource: str
    status: int
    """0 where the connection was cut before an answer."""
    allowed: bool
    wall_ms: float
    fault: str | None = None
    keys: tuple[str, ...] = ()
    """Partition keys of the DynamoDB items that it touched."""


def read_record(path: Path) -> list[dict[str, Any]]:
    """Return every line of a record, each with the fields of `Line`."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Record:
    """Appends lines to one file; safe from many threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def write(self, line: Line) -> None:
        """Append one line; readable at once."""
        text = json.dumps(asdict(line), separators=(",", ":"))
        with self._lock:
            if not self._file.closed:  # a watch may end after the wire was stopped
                self._file.write(f"{text}\n")

    def close(self) -> None:
        """No more lines."""
        with self._lock:
            self._file.close()
