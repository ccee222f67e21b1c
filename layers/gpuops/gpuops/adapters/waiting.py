"""The slots of a roll that wait for a newcomer: an admission tells one of them, so that none has to keep asking.

`replace_node` itself leaves its task token beside the slot's name. A word that gets lost costs little: the wait ends by
itself a minute after the newcomer was expected.
"""

import os
from typing import Any, Self

from gpuops.adapters.aws import client
from gpuops.adapters.table import Condition, Table
from gpuops.adapters.tokens import is_answered


class Waiting:
    """Wakes slots. All methods raise Unavailable, Refused or Invalid."""

    def __init__(self, table: Table, states: Any) -> None:
        self._table, self._states = table, states

    @classmethod
    def from_env(cls) -> Self:
        """Build it over the table in TABLE_NAME."""
        return cls(Table(client("dynamodb"), os.environ["TABLE_NAME"]), client("stepfunctions"))

    def wake(self, group: str) -> str | None:
        """Have the group's next slot look for its newcomer, and return its name; None where none waits.

        First one whose old node went before, last one that gives back the surge: until then that one has no turn.
        Among equals the one that waits longest. A repeated call wakes another slot, which finds nothing and waits on.
        """
        items = self._table.query(f"wait#{group}")
        for item in sorted(items, key=lambda item: (item["place"], item["since"], item["sk"])):
            token = str(item["answer_to"])
            call = self._states.send_task_success
            woken = is_answered("wake a slot of a roll", call, taskToken=token, output="{}")
            self._table.delete(f"wait#{group}", str(item["sk"]), Condition("answer_to = :token", {":token": token}))
            if woken:
                return str(item["sk"])
        return None
