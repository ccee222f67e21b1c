"""What a rehearsal stands on and need not be made anew for the next: control plane, gates, registry, warm functions.

Measured: of the CPU that a small rehearsal takes, more than half goes into starting these. Nothing of a story is
kept here. A world that is given none makes its own; one that is given some finds the cluster emptied.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from rehearsal.broom import Broom
from rehearsal.control_plane import ControlPlane, Identity, PodNetwork, scratch_directory, silence
from rehearsal.kube import Json, KubeApi
from rehearsal.lambdas.warm import Warm
from rehearsal.probe import watched
from rehearsal.registry import Registry
from rehearsal.scenario import Workload, collection
from rehearsal.standing import Standing
from rehearsal.wire import Gates

Authenticate = Callable[[str], Identity | None]


class Premises(Standing):
    """Up between `with` and its end; one world at a time is at home in them."""

    def __init__(self, binaries: Path, *, kept: bool = True) -> None:
        """Those that are not `kept` serve one world: nothing is prepared for a next one."""
        super().__init__()
        self.plane = ControlPlane(scratch_directory(), binaries, self._identity)
        self.gates, self.registry = Gates(), Registry()
        self._authenticate: Authenticate = _nobody
        self.code = self.plane.directory / "lambdas"
        """Where functions are unpacked: the plane's guard removes it, however we end."""
        self.warm = Warm(self.code) if kept else None
        self._broom: Broom | None = None
        self._installed: dict[str, str] = {}
        """Path and version of what was installed."""
        self._used = False

    def move_in(self, workloads: Iterable[Workload], authenticate: Authenticate) -> None:
        """A world begins: its images are in the registry, its callers are let in, and the cluster is empty.

        The scheduler starts anew: among equal nodes it begins with the one after that which the last pod made it look
        at, so that each story would depend on those before it (seen with 1.36).
        Raises: TimeoutError with what of the last world's could not be removed, or when no scheduler works.
        """
        if self._used and self._broom:
            self._broom.sweep()
            self.plane.restart("kube-scheduler")
        watched(self._admin)
        self._authenticate = authenticate
        self.registry.stock(workloads)

    def move_out(self) -> None:
        """It ends; whoever still calls is told nothing."""
        self._authenticate = _nobody
        self.network.switch(silence)
        self.gates.shut()

    def install(self, objects: Iterable[Json]) -> None:
        """What an administrator has applied before any story: once made, it stays until a story changes it.

        It is never made anew without need: an apiserver whose admission policies go and come back does not find their
        parameters again (seen with 1.36), and a namespace takes seconds to go.
        """
        for item in objects:
            metadata = item["metadata"]
            path = f"{collection(item['kind'], metadata.get('namespace', ''))}/{metadata['name']}"
            found = self._admin.find(path)
            if found and found["metadata"]["resourceVersion"] != self._installed.get(path):
                self._admin.delete(path)
                found = None
            made = found or self._admin.create(path.rpartition("/")[0], item)
            self._installed[path] = made["metadata"]["resourceVersion"]
        if self._broom and not self._used:
            self._broom.remember()
        self._used = True

    def kube(self, wrote: Callable[[], None] = lambda: None) -> KubeApi:
        """A connection of the cluster's own administrator."""
        return KubeApi(self.plane.server, str(self.plane.ca_file), self.plane.admin_token, wrote=wrote)

    def _identity(self, token: str) -> Identity | None:
        return self._authenticate(token)

    def _start(self) -> None:
        for part in (self.plane, self.gates, self.registry):
            self._up(part)
        self.network = PodNetwork(self.plane.podnet_socket)
        self._up(self.network)
        self._admin = self.kube()
        self._stack.callback(self._admin.close)
        if self.warm:
            self._stack.callback(self.warm.close)
            self._broom = Broom(self._admin)

    def _up(self, part: ControlPlane | Gates | Registry | PodNetwork) -> None:
        """Start a part, to be stopped in the end, even if starting it failed half-way."""
        self._stack.callback(part.stop)
        part.start()


def _nobody(_token: str) -> None:
    """No token belongs to anybody."""
