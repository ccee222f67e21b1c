"""The recovery action that the driver itself names with Xid 154, which goes before any table.

The driver's line, from NVIDIA's catalogue: "Xid (PCI:0018:01:00): 154, GPU recovery action changed from 0x0 (None) to
0x2 (Node Reboot Required)". It comes in evidence, which is untrusted: nothing but one of these words is taken from it.
"""

import re
from collections.abc import Iterable

from gpuops.domain.faults.actions import Action

LINE = re.compile(
    r"recovery action changed from [^)]{0,60}\) to 0x[0-9a-f]{1,2} \(([A-Za-z0-9 &+]{1,40})\)", re.IGNORECASE
)
WORDS: dict[str, Action] = {
    "gpu reset required": "reset",
    "drain and reset": "reset",
    "drain p2p": "reset",
    "node reboot required": "reboot",
}
"""`None` is not among them: what a driver does not ask for may still be what a table asks for."""


def recovery_of(evidence: Iterable[str]) -> Action | None:
    """Return the last action that the lines name; None where they name none."""
    named = (WORDS.get(found[1].strip().lower()) for line in evidence for found in LINE.finditer(line))
    return next((action for action in reversed([*named]) if action), None)
