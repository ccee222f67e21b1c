"""Volumes that come and go with their pods: the real attach-detach controller decides, what it asks for is played here.

That is the external attacher of EBS's CSI driver, and what a kubelet says of volumes: it starts a pod once its volumes
are attached, and names those in use, since nothing is detached from under it. A dead one names them for ever: only the
taint of a node that is out of service, or six minutes of the controller's own clock, which is real, set them free.
Left out: the driver's limits, mounting, and attachments that fail.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.run import Run
from rehearsal.kubelets.world import World, unless_gone
from rehearsal.rest import Seen
from rehearsal.rest.reading import is_deleting
from rehearsal.rest.volumes import attachments_of, is_attached, used_name, volume_of, volumes_of

ATTACH_SECONDS: Final = 5.0
DETACH_SECONDS: Final = 10.0
"""As long as EC2 usually takes for an EBS volume."""
FINALIZER: Final = "external-attacher/ebs-csi-aws-com"
PATH: Final = "/apis/storage.k8s.io/v1/volumeattachments"


class Volumes:
    """The volumes of all simulated machines."""

    def __init__(self, world: World, mounted: Callable[[str], None]) -> None:
        """`mounted` is told of each node to which a volume was attached, or on which one came into use."""
        self._world, self._mounted = world, mounted
        self._used: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
        """By node and pod's uid."""
        self._asked: set[tuple[str, str]] = set()
        """What was answered already: an attachment's uid, and what was asked of it."""

    def needs(self, run: Run) -> bool:
        """Whether the pod has any."""
        return bool(volumes_of(self._world.mirror, run.pod))

    def are_ready(self, run: Run) -> bool:
        """Whether all that the pod has are attached to its machine."""
        found = [attachments_of(self._world.mirror, volume) for volume in volumes_of(self._world.mirror, run.pod)]
        return all(any(_node(one) == run.machine.name and is_attached(one) for one in these) for these in found)

    def debt(self, run: Run) -> str | None:
        """The controller attaches what the pod waits for, unless it is still attached elsewhere."""
        mirror = self._world.mirror
        missing = any(not attachments_of(mirror, volume) for volume in volumes_of(mirror, run.pod))
        return "attach-detach: attach" if missing else None

    def use(self, run: Run) -> None:
        """The kubelet says that it uses them, and from then on waits for them."""
        with self._world.lock:
            self._used[run.machine.name][run.uid] = volumes_of(self._world.mirror, run.pod)
        self._tell(run.machine.name)
        self._mounted(run.machine.name)

    def let_go(self, run: Run) -> None:
        """The pod has ended: its volumes are in use no more."""
        with self._world.lock:
            found = self._used[run.machine.name].pop(run.uid, None)
        if found:
            self._tell(run.machine.name)

    def on_event(self, seen: Seen) -> None:
        """An attachment: do what its attacher is asked for, and let pods start that waited for it."""
        attachment = seen.after
        if attachment is None:
            return
        if is_deleting(attachment):
            self._once(attachment, "detach", DETACH_SECONDS)
        elif is_attached(attachment):
            self._mounted(_node(attachment))
        else:
            self._once(attachment, "attach", ATTACH_SECONDS)

    def _once(self, attachment: Json, verb: str, delay: float) -> None:
        key = (attachment["metadata"]["uid"], verb)
        if key in self._asked:
            return
        self._asked.add(key)
        act = self._attach if verb == "attach" else self._detach
        volume, name = volume_of(attachment), attachment["metadata"]["name"]
        self._world.later(delay, f"volume/{volume}@{_node(attachment)}/{verb}", lambda: act(name))

    def _attach(self, name: str) -> None:
        with unless_gone(name):
            self._world.kube.patch(f"{PATH}/{name}", {"metadata": {"finalizers": [FINALIZER]}})
            self._world.kube.patch(f"{PATH}/{name}/status", {"status": {"attached": True}})

    def _detach(self, name: str) -> None:
        with unless_gone(name):
            self._world.kube.patch(f"{PATH}/{name}", {"metadata": {"finalizers": None}})

    def _tell(self, node: str) -> None:
        """Write the node's list anew."""
        with self._world.lock:
            used = sorted({used_name(volume) for volumes in self._used[node].values() for volume in volumes})
        with unless_gone(node):
            self._world.kube.patch(f"/api/v1/nodes/{node}/status", {"status": {"volumesInUse": used}})


def _node(attachment: Json) -> str:
    return str(attachment["spec"]["nodeName"])
