"""Fault rules: what the wire does to which calls, so that a rehearsal can show how the product takes it.

A rule is data, counts its own matches and needs no randomness: the same calls in the same order meet the same fault.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from rehearsal.scenario.faults import CallFault

ENDS = ("killed", "timed_out")
_counting = threading.Lock()


@dataclass
class Fault:
    """Strike calls that match all three patterns (shell wildcards): every one, or from the nth on `times` of them.

    `service` is IAM's prefix (`autoscaling`, `s3`, …) or `kube`. `action` is the API's operation, for `kube`
    verb and resource: `create pods/eviction`, `patch nodes`. reset_before: the call never arrives; reset_after: it is
    carried out and its answer is lost. `slow` waits `seconds` of real time, since SDK timeouts are real. killed and
    timed_out: the call is carried out, and that is the last its function did. `twice` is about invocations, whose
    service and action are `lambda` and `Invoke` and whose caller is the function: its event is run once more, as after
    an answer that was lost. One that `persists` strikes each try of a call that an SDK makes by itself, so that the
    caller hears of it; the tries are one call, under one `amz-sdk-invocation-id`.
    """

    kind: CallFault
    caller: str = "*"
    service: str = "*"
    action: str = "*"
    nth: int | None = None
    times: int = 1
    seconds: float = 1.0
    persists: bool = False
    seen: int = field(default=0, init=False)
    last: float = field(default=0.0, init=False)
    """When it struck, by the clock."""
    struck: set[str] = field(default_factory=set, init=False)
    """Calls whose further tries are struck, too."""

    def strikes(self, caller: str, service: str, action: str, call: str = "") -> bool:
        """Count the call if it matches; is it one of those to strike? `call` is what its tries have in common."""
        pairs = ((self.caller, caller), (self.service, service), (self.action, action))
        if not all(fnmatchcase(given, wanted) for wanted, given in pairs):
            return False
        with _counting:
            if call in self.struck:
                return True
            self.seen += 1
            struck = self.nth is None or self.nth <= self.seen < self.nth + self.times
            if struck and self.persists and call:
                self.struck.add(call)
            return struck


def struck_by(faults: Iterable[Fault], caller: str, service: str, action: str, call: str = "") -> Fault | None:
    """The first rule that strikes. Every matching rule counts the call, struck or not."""
    striking = [f for f in list(faults) if f.strikes(caller, service, action, call)]
    return striking[0] if striking else None
