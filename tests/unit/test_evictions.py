"""In which order one pass over a node evicts: by the order that it is given, and side by side where that has no say."""

import threading
from typing import cast

from gpuops.adapters.kube import Kube
from gpuops.adapters.pods import Pods
from gpuops.domain.pods import Pod

NO_KUBE = cast("Kube", None)
PAYMENTS = Pod(namespace="shop", name="payments", priority=1000)
WEB, BATCH = Pod(namespace="shop", name="web"), Pod(namespace="shop", name="batch")


class Slow(Pods):
    """The first of two evictions is answered only once the second one was asked for, or was not for a while."""

    def __init__(self) -> None:
        super().__init__(NO_KUBE)
        self.log: list[str] = []
        self.second = threading.Event()

    def evict(self, pod: Pod) -> str | None:
        """Write down when it is asked for, and when it is answered."""
        self.log.append(f"{pod.name}?")
        if len(self.log) > 1:
            self.second.set()
        self.second.wait(0.2)
        self.log.append(f"{pod.name}.")
        return "not now" if pod is PAYMENTS else None


def test_a_pod_of_less_priority_waits_for_the_one_before_it() -> None:
    """Else it might use up the budget, or the room elsewhere, that the other needs."""
    pods = Slow()

    answers = pods.evict_all([PAYMENTS, WEB])

    assert pods.log == ["payments?", "payments.", "web?", "web."]
    assert answers == {PAYMENTS: "not now", WEB: None}


def test_pods_of_one_priority_go_side_by_side() -> None:
    """A full node has more of them than a function has seconds."""
    pods = Slow()

    pods.evict_all([WEB, BATCH])

    assert sorted(pods.log[:2]) == ["batch?", "web?"]
