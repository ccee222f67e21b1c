"""What the world still owes, so that simulated time may only jump when the answer is: nothing.

A short quiet proves little (the Job controller alone collects its news for a second), so rest is read from state:
every controller, the scheduler and the simulated kubelets must have done what the objects say they have to do.
Only what an event touched is judged again.
"""

from collections.abc import Callable, Iterable
from typing import Final

from rehearsal.kube import Json
from rehearsal.rest.controllers import (
    daemonset_debt,
    deployment_debt,
    job_debt,
    node_debt,
    pod_debt,
    replicaset_debt,
)
from rehearsal.rest.mirror import Mirror, Seen, controller_of
from rehearsal.rest.placement import Placement
from rehearsal.rest.selectors import SELECTING, Selections
from rehearsal.rest.volumes import attachment_debt, has_claims

Key = tuple[str, str]
"""Kind and uid."""
Debt = Callable[[Mirror, Json], str | None]
OWNERS: Final = ("job", "replicaset", "daemonset", "deployment")


def _nothing(_mirror: Mirror, _pod: Json) -> str | None:
    return None


class Rest:
    """The ledger of debts; `owed` is a rest check of the clock."""

    def __init__(self, mirror: Mirror, kubelet_debt: Debt = _nothing) -> None:
        """Subscribe to the mirror; `kubelet_debt` names what a simulated kubelet owes a pod."""
        self._mirror = mirror
        self._kubelet_debt = kubelet_debt
        self._placement = Placement(mirror)
        self._selections = Selections(mirror)
        self._touched: set[Key] = set()
        self._debts: dict[Key, str] = {}
        self._checks: dict[str, tuple[Debt, ...]] = {
            "node": (node_debt,),
            "pod": (pod_debt, kubelet_debt),
            "job": (job_debt,),
            "replicaset": (replicaset_debt,),
            "deployment": (deployment_debt,),
            "daemonset": (daemonset_debt,),
            "pdb": (self._selections.pdb_debt,),
            "service": (self._selections.service_debt,),
            "attachment": (attachment_debt,),
        }
        mirror.subscribe(self.on_event)

    def owed(self) -> str | None:
        """Name the first debt, or None when the world is at rest."""
        if self._mirror.broken:
            return f"watch: {self._mirror.broken}"
        with self._mirror.lock:
            for key in self._touched | self._debts.keys():
                self._judge(key)
            self._touched.clear()
            if self._debts:
                return min(self._debts.values())
            return self._placement.owed()

    def on_event(self, seen: Seen) -> None:
        """Note whatever an event may change the debts of."""
        with self._mirror.lock:
            self._touched.update(self._touched_by(seen))

    def _touched_by(self, seen: Seen) -> Iterable[Key]:
        uid, found = seen.object["metadata"]["uid"], {(seen.kind, seen.object["metadata"]["uid"])}
        if seen.kind == "node":
            self._placement.node(seen.object["metadata"]["name"])
            found |= {("daemonset", uid) for uid in self._mirror.objects["daemonset"]}
        elif seen.kind == "pod":
            found |= self._touched_by_pod(seen)
        elif seen.kind in SELECTING:
            self._selections.selecting(seen.kind, seen.before, seen.after)
        elif seen.kind == "slice" and (service := self._selections.service_of(seen.object)):
            found.add(service)
        elif seen.kind == "attachment":
            found |= {("pod", uid) for uid, pod in self._mirror.objects["pod"].items() if has_claims(pod)}
        if seen.kind in ("node", "pod"):
            found |= {("attachment", uid) for uid in self._mirror.objects["attachment"]}
        if seen.kind in OWNERS and seen.after is None:
            found |= {("pod", owned) for owned in self._mirror.owned.get(uid, ())}
        return found | _owner_keys(seen)

    def _touched_by_pod(self, seen: Seen) -> set[Key]:
        self._placement.pod(seen.before, seen.after)
        return set(self._selections.pod(seen.before, seen.after))

    def _judge(self, key: Key) -> None:
        kind, uid = key
        item = self._mirror.objects[kind].get(uid)
        self._debts.pop(key, None)
        for check in self._checks.get(kind, ()) if item is not None else ():
            if item is not None and (debt := check(self._mirror, item)):
                self._debts[key] = debt
                return


def _owner_keys(seen: Seen) -> set[Key]:
    owner = controller_of(seen.object)
    return {(owner["kind"].lower(), owner["uid"])} if owner and owner["kind"].lower() in OWNERS else set()
