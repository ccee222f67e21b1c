"""A cluster's objects in memory: an apply keeps what it is sent, unless somebody else holds a field of it."""

import copy
from typing import Any

from gpuops.adapters.objects import Object, Objects, Outcome, path_of
from gpuops.domain.config.foreign import DaemonSet


class FakeObjects(Objects):
    """Objects by path; `outcomes` answers for a kind instead, `applied` keeps the acts."""

    def __init__(self, *others: DaemonSet) -> None:
        self.others = list(others)
        self.live: dict[str, Any] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.applied: list[str] = []
        self.forced: list[str] = []

    def daemonsets(self) -> list[DaemonSet]:
        """See Objects."""
        return self.others

    def get(self, sent: Object) -> Any:
        """See Objects."""
        return copy.deepcopy(self.live.get(path_of(sent)))

    def apply(self, sent: Object, *, force: bool = False, dry_run: bool = False) -> Outcome:
        """See Objects."""
        name = f"{sent['kind']} {sent['metadata']['name']}"
        if sent["kind"] in self.outcomes and not force:
            return self.outcomes[sent["kind"]]
        if not dry_run:
            self.live[path_of(sent)] = copy.deepcopy(dict(sent))
            self.applied.append(name)
            self.forced += [name] if force else []
        return Outcome("applied", after=copy.deepcopy(dict(sent)))
