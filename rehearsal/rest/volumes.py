"""What the attach-detach controller owes volumes: off a node that needs them no more.

Scenarios' volumes are all of one CSI driver, each with its PersistentVolume's name as its handle.
"""

from typing import Final

from rehearsal.kube import Json
from rehearsal.rest.mirror import Mirror
from rehearsal.rest.reading import is_deleting, is_out_of_service, is_terminal

DRIVER: Final = "ebs.csi.aws.com"


def volumes_of(mirror: Mirror, pod: Json) -> list[str]:
    """The PersistentVolumes that a pod's claims are bound to."""
    claims = [(pod["metadata"]["namespace"], v["persistentVolumeClaim"]["claimName"]) for v in _claimed(pod)]
    if not claims:
        return []
    known = list(mirror.objects["claim"].values())
    bound = {(c["metadata"]["namespace"], c["metadata"]["name"]): c["spec"].get("volumeName") for c in known}
    return [bound[claim] for claim in claims if bound.get(claim)]


def has_claims(pod: Json) -> bool:
    """Whether the pod has any."""
    return bool(_claimed(pod))


def attachments_of(mirror: Mirror, volume: str) -> list[Json]:
    """Where a volume is attached, or is to be."""
    found = list(mirror.objects["attachment"].values())
    return [one for one in found if volume_of(one) == volume]


def volume_of(attachment: Json) -> str:
    """The PersistentVolume that it is about."""
    return str(attachment["spec"]["source"]["persistentVolumeName"])


def is_attached(attachment: Json) -> bool:
    """Whether its attacher says so."""
    return bool(attachment.get("status", {}).get("attached"))


def used_name(volume: str) -> str:
    """A volume as a Node's status names it."""
    return f"kubernetes.io/csi/{DRIVER}^{volume}"


def attachment_debt(mirror: Mirror, attachment: Json) -> str | None:
    """Detached once no pod of its node needs it, and the kubelet does not use it or is certainly dead."""
    name, volume = attachment["spec"]["nodeName"], volume_of(attachment)
    node = mirror.nodes.get(name)
    if node is None or is_deleting(attachment) or not is_attached(attachment):
        return None
    if any(volume in volumes_of(mirror, pod) for pod in mirror.pods_on.get(name, {}).values() if not is_terminal(pod)):
        return None
    used = used_name(volume) in node.get("status", {}).get("volumesInUse", ())
    return None if used and not is_out_of_service(node) else "attach-detach: detach"


def _claimed(pod: Json) -> list[Json]:
    return [volume for volume in pod["spec"].get("volumes", ()) if "persistentVolumeClaim" in volume]
