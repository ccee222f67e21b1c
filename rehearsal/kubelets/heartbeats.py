"""Node leases, renewed on real time: the node lifecycle controller's own clock is real.

That controller only looks whether a lease moves on, so renewTime is the simulated time at the first beat plus the
wall seconds since. With many nodes the beats become rarer, to leave the apiserver to the rehearsal; the controller's
grace period must be longer than that.
"""

from datetime import UTC, datetime
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

from rehearsal.kube import KubeApi, KubeError

LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
BEAT_SECONDS: Final = 10.0
MOST_PER_SECOND: Final = 5


class Heartbeats:
    """One thread that renews the leases of all nodes."""

    def __init__(self, kube: KubeApi, start: float) -> None:
        self._kube = kube
        self._offset = start - monotonic()
        self._nodes: dict[str, str] = {}
        self._lock = Lock()
        self._stopped = Event()
        self.failures = 0
        """Beats that the apiserver did not take."""

    def start(self) -> None:
        """Begin to beat."""
        Thread(target=self._run, name="heartbeats", daemon=True).start()

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()

    def add(self, node: str, uid: str) -> None:
        """Renew the lease of a node that has registered; the lease goes with the Node."""
        owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
        metadata = {"name": node, "ownerReferences": [owner]}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, **self._spec(node)}
        self._kube.apply(f"{LEASES}/{node}", body)
        with self._lock:
            self._nodes[node] = uid

    def drop(self, node: str) -> None:
        """Let a lease run out."""
        with self._lock:
            self._nodes.pop(node, None)

    def _run(self) -> None:
        while not self._stopped.wait(max(BEAT_SECONDS, len(self._nodes) / MOST_PER_SECOND)):
            with self._lock:
                nodes = list(self._nodes)
            for node in nodes:
                self._beat(node)

    def _beat(self, node: str) -> None:
        try:
            self._kube.patch(f"{LEASES}/{node}", self._spec(node))
        except KubeError:
            self.failures += 1

    def _spec(self, node: str) -> dict[str, dict[str, object]]:
        renewed = datetime.fromtimestamp(monotonic() + self._offset, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"spec": {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": renewed}}
