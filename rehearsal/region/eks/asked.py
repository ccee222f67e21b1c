"""What a caller of EKS asks a node group to run: a release, or a version of the user's own launch template."""

from rehearsal.region.eks import errors
from rehearsal.region.eks.hands import Hands
from rehearsal.region.eks.model import Nodegroup
from rehearsal.region.fleet_actions import Params
from rehearsal.scenario import Release


def release(hands: Hands, ami_type: str, params: Params) -> Release:
    """The release that is meant: without a version EKS takes the cluster's, without a release the latest one."""
    cluster, name = hands.cluster, str(params["nodegroupName"])
    version = params.get("version") or cluster.version
    if version != cluster.version:
        raise errors.invalid(f"Kubernetes version {version} is not the cluster's", cluster.name, name)
    known = {each.release: each for each in hands.releases(ami_type)}
    wanted = str(params.get("releaseVersion") or [*known][-1])
    if wanted not in known:
        why = f"Requested release version {wanted} is not valid for {version}"
        raise errors.invalid(why, cluster.name, name)
    return known[wanted]


def template(nodegroup: Nodegroup, params: Params) -> dict[str, str]:
    """A version of the launch template that the node group was made with, and nothing else."""
    if params.get("version") or params.get("releaseVersion"):
        why = "You cannot specify the field version or releaseVersion when using custom AMIs."
        raise errors.invalid(why, nodegroup.cluster, nodegroup.name)
    asked, own = params.get("launchTemplate") or {}, nodegroup.template or {}
    if not asked or (asked.get("id") or own["id"], asked.get("name") or own["name"]) != (own["id"], own["name"]):
        why = "The launch template must be the one that the node group was created with."
        raise errors.invalid(why, nodegroup.cluster, nodegroup.name)
    return {"LaunchTemplateVersion": str(asked["version"])}
