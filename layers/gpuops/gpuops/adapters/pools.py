"""What is remembered of pools and workloads: `pool#<group>`, `workload#<group>/<owner>`, one item each.

Beside a pool stands an item for each of its nodes that is being relieved of heat, or for want of power. Of a cluster,
`pool#/<cluster>` says whether its nodes bear taints for it.

Two looks at once must not undo each other, so each is written only over the item that was read.
"""

import os
from collections.abc import Iterable
from datetime import datetime
from typing import Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import NEW, ONE, Condition, Table
from gpuops.domain.policy import GroupPolicy
from gpuops.domain.slicing.pool import PoolState
from gpuops.domain.slicing.profile import Profile

FREEZE = "freeze#"


class Pools:
    """Reads and writes them. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]))

    def state(self, group: str) -> PoolState | None:
        """Return what the last plan left; None before the first."""
        item = self._table.get(f"pool#{group}")
        return PoolState.model_validate_json(item["body"]) if item else None

    def keep_state(self, group: str, state: PoolState, before: PoolState | None) -> bool:
        """Write it over the one that was read; False where somebody else was faster."""
        return self._put(f"pool#{group}", state.model_dump_json(), before.model_dump_json() if before else None)

    def steered(self, cluster: str) -> bool:
        """Return whether nodes of the cluster may bear taints of ours for their pools."""
        item = self._table.get(f"pool#/{cluster}")
        return item is not None and item["body"] == "steered"

    def keep_steered(self, cluster: str, *, steered: bool) -> None:
        """Write that down; no group is named like its key, since the name would begin with a slash."""
        self._table.put(f"pool#/{cluster}", ONE, {"body": "steered" if steered else ""})

    def key(self, group: GroupPolicy) -> str:
        """Return the configuration that the group's nodes are to have: the pool's, where its plans are applied."""
        if group.rebalance is None or group.rebalance.mode != "apply":
            return group.sharing
        state = self.state(group.group)
        return state.key if state is not None and state.rung is not None else group.sharing

    def frozen(self, group: str, now: datetime) -> str:
        """Return which of its nodes are too hot, or short of power: no GPU of the pool gets more pods for that.

        remediate_gpu writes it down before it moves the load of such a node away; empty for none.
        """
        found = self._table.query(f"pool#{group}", FREEZE)
        return "; ".join(str(item["why"]) for item in found if datetime.fromisoformat(item["until"]) > now)

    def thaw(self, group: str, instance: str) -> None:
        """Forget that of a node that is well again; nothing happens where nothing was written."""
        self._table.delete(f"pool#{group}", f"{FREEZE}{instance}")

    def profiles(self, group: str, workloads: Iterable[str]) -> dict[str, Profile]:
        """Return what is known of these workloads; those that nobody has measured are left out."""
        found = ((name, self._table.get(f"workload#{group}/{name}")) for name in workloads)
        return {name: Profile.model_validate_json(item["body"]) for name, item in found if item}

    def keep_profile(self, group: str, profile: Profile, before: Profile | None) -> bool:
        """Write it over the one that was read; False where another look was faster, which is as good."""
        body = before.model_dump_json() if before else None
        return self._put(f"workload#{group}/{profile.workload}", profile.model_dump_json(), body)

    def _put(self, pk: str, body: str, before: str | None) -> bool:
        only_if = NEW if before is None else Condition("body = :before", {":before": before})
        return self._table.put(pk, ONE, {"body": body}, only_if)
