"""Watches a rehearsal from its start to its end and says what it saw.

`now` is any clock the caller likes; violations carry its time. `debt` is meant for the rehearsal's rest check: time
must not pass before the observer has read its watches, or a violation would bear a later moment.
"""

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rehearsal.observer.cluster import Change, Cluster, KubeAccess, Watches
from rehearsal.observer.during import (
    broken_budgets,
    closed_nodes,
    evicted_training,
    has_moved,
    is_asked,
    ready_gpus,
    several_attachments,
    unadmitted_placements,
    unmatched,
)
from rehearsal.observer.ending import (
    in_quarantine,
    judge_executions,
    judge_groups,
    judge_items,
    judge_nodes,
    judge_quarantine,
    judge_smoke,
    nodes_replaced,
)
from rehearsal.observer.expected import unmet_logs, unmet_metrics, unmet_nodes, unmet_objects, unmet_pods
from rehearsal.observer.metrics import evictions
from rehearsal.observer.model import Expectations, Observed, Violation
from rehearsal.observer.region import AwsAccess, Ending, Group, Region
from rehearsal.observer.sharing import edits_in_use, flips_under_pods, several_cordons, several_plugins

EVICTED, REFUSED = "201", "429"


class Observer:
    """One rehearsal's judge."""

    def __init__(
        self, kube: KubeAccess, aws: AwsAccess, expectations: Mapping[str, Any], now: Callable[[], float]
    ) -> None:
        self._expected = Expectations.read(expectations)
        self._watches, self._region, self._now = Watches(kube), Region(aws), now
        self._cluster = Cluster()
        self._violations: list[Violation] = []
        self._missing: dict[str, float] = {}
        self._known: dict[str, Group] = {}
        """Groups as they were at the last look."""
        self._suspended: dict[str, set[str]] = {}
        self._armed = False
        self._below = False
        self._asked = self._closed = self._moved = 0
        self._homes: dict[str, str] = {}
        """The node to which each volume was attached last."""
        self._min_gpus: int | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Read the world as it is before anything happens; call it when the stage is set."""
        self._watches.start()
        for event in self._watches.drain():
            list(self._cluster.take(event.kind, event.item, gone=event.gone))
        self._first = copy.deepcopy(self._cluster)
        self._groups = self._known = self._region.groups()
        self._evictions = evictions(self._watches.get("/metrics").decode())
        self._judge_floor()

    def debt(self) -> str | None:
        """What the observer still has to read, None once it has judged everything that arrived."""
        if self._watches.blind:
            return None  # said once in `finish`; waiting would not help
        if not self._watches.quiet():
            return "the observer is reading its watches"
        self._judge_arrived()
        return None

    def caught_up(self) -> bool:
        """The same as a yes or no."""
        return self.debt() is None

    def sample(self, now: float) -> None:
        """Compare the groups with the Nodes; call it now and then, simulated minutes apart."""
        groups = self._region.groups()  # before the lock: the region may wait for the clock, and the clock for us
        self._judge_arrived()
        self._known = groups
        for name, group in groups.items():
            self._suspended.setdefault(name, set()).update(group.suspended)
        with self._lock:
            found = set(unmatched(self._cluster, groups))
            self._missing = {what: self._missing.get(what, now) for what in found}
            for what, since in self._missing.items():
                if now - since >= self._expected.lost_after_seconds:
                    self._say("lost_node", what)

    def finish(self) -> Observed:
        """Judge the end and stop watching."""
        self._judge_arrived()
        after, ending = self._cluster, self._region.ending(self._expected)
        counts = evictions(self._watches.get("/metrics").decode())
        unmet = tuple(self._unmet(after, ending))
        self.stop()
        if self._watches.blind:
            self._say("blind", self._watches.blind)
        for rules in (
            judge_groups(self._groups, ending.groups, self._expected),
            judge_nodes(self._first, after, self._expected),
            judge_quarantine(after, ending, self._expected),
            judge_smoke(after, self._expected),
            judge_items(ending, self._expected),
            judge_executions(ending, self._expected),
            (("lost_node", what) for what in unmatched(after, ending.groups)),
        ):
            for rule, what in rules:
                self._say(rule, what)
        return Observed(
            violations=tuple(self._violations),
            nodes_replaced=nodes_replaced(self._groups, ending.groups, self._expected),
            min_ready_gpus=self._min_gpus,
            evictions=counts.get(EVICTED, 0) - self._evictions.get(EVICTED, 0),
            evictions_refused=counts.get(REFUSED, 0) - self._evictions.get(REFUSED, 0),
            most_closed=self._closed,
            asked_to_checkpoint=self._asked,
            quarantined=len(in_quarantine(after, self._expected)),
            volumes_moved=self._moved,
            pods_on_unadmitted_nodes=sum(v.rule == "unadmitted_node" for v in self._violations),
            unmet=unmet,
        )

    def _unmet(self, after: Cluster, ending: Ending) -> Iterator[str]:
        """What this scenario expects of its end."""
        expected, read = self._expected, self._watches.get
        yield from unmet_nodes(after, ending.groups, expected.nodes)
        yield from unmet_pods(after, expected.pods)
        yield from unmet_logs(after, expected.logs, read)
        yield from unmet_metrics(after, expected.metrics, read)
        yield from unmet_objects(expected.objects, read)
        for group, processes in expected.suspended.items():
            if missing := sorted(set(processes) - self._suspended.get(group, set())):
                yield f"suspended in {group} at some time: {', '.join(missing)}"

    def violations(self) -> tuple[Violation, ...]:
        """What was seen so far."""
        with self._lock:
            return tuple(self._violations)

    def stop(self) -> None:
        """Stop watching, without a verdict; again does no harm."""
        self._watches.stop()

    def _judge_arrived(self) -> None:
        with self._lock:
            for event in self._watches.drain():
                for change in self._cluster.take(event.kind, event.item, gone=event.gone):
                    for rule, what in self._judge(change):
                        self._say(rule, what)
                    self._asked += is_asked(change, self._expected)
                    self._moved += has_moved(self._cluster, change, self._homes)
                    if change.kind == "node":
                        self._judge_floor()
                        self._closed = max(self._closed, closed_nodes(self._cluster, self._expected))

    def _judge(self, change: Change) -> Iterator[tuple[str, str]]:
        of_nodes = change.kind == "node"
        found = {
            "budget": broken_budgets(self._cluster, change),
            "training_evicted": evicted_training(change, self._expected),
            "unadmitted_node": unadmitted_placements(self._cluster, change, self._expected),
            "volume_attached_twice": several_attachments(self._cluster, change),
            "sharing_flipped": flips_under_pods(self._cluster, change),
            "key_in_use": edits_in_use(self._cluster, change),
            "two_plugins": several_plugins(self._cluster, change),
            "sharing_cordons": several_cordons(self._cluster, self._known, self._expected) if of_nodes else (),
        }
        return ((rule, what) for rule, broken in found.items() for what in broken)

    def _judge_floor(self) -> None:
        """Said once for each time the number falls below; before it was ever reached there is no floor."""
        gpus, floor = ready_gpus(self._cluster, self._expected), self._expected.floor_gpus
        self._armed = self._armed or gpus >= floor
        if not self._armed:
            return
        self._min_gpus = gpus if self._min_gpus is None else min(self._min_gpus, gpus)
        if gpus < floor and not self._below:
            self._say("floor", f"{gpus} Ready admitted GPUs, {floor} wanted")
        self._below = gpus < floor

    def _say(self, rule: str, what: str) -> None:
        """Each finding once: a lasting one is not news."""
        if all((v.rule, v.what) != (rule, what) for v in self._violations) or rule == "floor":
            self._violations.append(Violation(rule, what, round(self._now(), 3)))
