"""How EKS makes a node group, and takes one away; both take it a while.

A new one is CREATING until its Auto Scaling group is full and every node Ready (EKS API, CreateNodegroup); an empty one
is ACTIVE as soon as that group is there. A deleted one is DELETING while its nodes are drained and terminated (EKS user
guide, "Delete a managed node group"): what a budget holds up there is deleted after fifteen minutes.
Leaves out: launch templates of the user's, custom images, remote access, capacity blocks, warm pools, several types.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.region.eks import asked, errors
from rehearsal.region.eks.hands import Hands
from rehearsal.region.eks.model import EFFECTS, Nodegroup
from rehearsal.region.eks.rolling import (
    EVICTION_SECONDS,
    LOOK_SECONDS,
    NODE_PATIENCE_SECONDS,
    SETUP_SECONDS,
    UpdateError,
    drive,
)
from rehearsal.region.eks.types import TYPES
from rehearsal.region.fleet_actions import Params
from rehearsal.region.fleet_ports import uuid_of
from rehearsal.scenario import Group, Release

CREATE_SECONDS = 60.0
"""Until the Auto Scaling group of a new node group is there."""
KEPT = ("capacityType", "diskSize", "nodeRepairConfig", "nodeRole", "instanceTypes")
"""What is described as it was asked for, and means nothing here."""


class Making:
    """The births and deaths of one cluster's node groups."""

    def __init__(self, hands: Hands, nodegroups: dict[str, Nodegroup]) -> None:
        self._hands, self._nodegroups = hands, nodegroups
        self._tokens: dict[str, str] = {}

    def create(self, params: Params) -> Nodegroup:
        """Begin a node group; a repeated token gets the one that it began."""
        name, token = str(params["nodegroupName"]), str(params.get("clientRequestToken") or "")
        if token and self._tokens.get(token) == name and name in self._nodegroups:
            return self._nodegroups[name]
        if name in self._nodegroups:
            cluster = self._hands.cluster.name
            raise errors.in_use(f"NodeGroup already exists with name {name} and cluster name {cluster}", cluster, name)
        release = self._release(params)
        made = self._nodegroups[name] = self._nodegroup(params, release)
        self._tokens[token] = name

        def done(error: UpdateError | None) -> None:
            made.status = "CREATE_FAILED" if error else "ACTIVE"
            made.issues = [{"code": error.shown["errorCode"], "message": str(error)}] if error else []

        drive(self._hands, f"eks/{name}/create", self._making(made, release), done)
        return made

    def delete(self, nodegroup: Nodegroup) -> Nodegroup:
        """Begin to take it away; again is refused, as anything else is that meets it at work."""
        if nodegroup.status in {"UPDATING", "DELETING", "CREATING"}:
            why = f"Nodegroup cannot be deleted as it is {nodegroup.status}"
            raise errors.in_use(why, nodegroup.cluster, nodegroup.name)
        nodegroup.status = "DELETING"

        def done(_error: UpdateError | None) -> None:
            del self._nodegroups[nodegroup.name]

        drive(self._hands, f"eks/{nodegroup.name}/delete", self._removing(nodegroup), done)
        return nodegroup

    def _making(self, nodegroup: Nodegroup, release: Release) -> Iterator[float]:
        yield CREATE_SECONDS
        self._hands.create(nodegroup, release)
        waited = 0.0
        while not self._hands.newcomers_ready(nodegroup):
            if waited >= NODE_PATIENCE_SECONDS:
                why = "Instances failed to join the kubernetes cluster"
                raise UpdateError("NodeCreationFailure", why, self._hands.unready(nodegroup))
            waited += LOOK_SECONDS
            yield LOOK_SECONDS

    def _removing(self, nodegroup: Nodegroup) -> Iterator[float]:
        yield SETUP_SECONDS
        members, waited = self._hands.group(nodegroup).present, 0.0
        names = [self._hands.node(member) for member in members]
        self._hands.cordon(members, on=True)
        while sum(self._hands.nodes.evict(name, force=waited >= EVICTION_SECONDS) for name in names):
            waited += LOOK_SECONDS
            yield LOOK_SECONDS
        self._hands.change(nodegroup, MinSize=0, DesiredCapacity=0)
        while self._hands.group(nodegroup).members:
            yield LOOK_SECONDS
        self._hands.remove(nodegroup)

    def _release(self, params: Params) -> Release:
        """The release that is meant: of the type and for the version that are asked for."""
        kind = str(params.get("amiType"))
        if params.get("launchTemplate") or kind not in TYPES.values():
            raise self._invalid(params, f"the rehearsal makes no node group of type {kind} with a launch template")
        return asked.release(self._hands, kind, params)

    def _nodegroup(self, params: Params, release: Release) -> Nodegroup:
        name, sizes = str(params["nodegroupName"]), params.get("scalingConfig") or {}
        least, most, size = (int(sizes.get(key, 2)) for key in ("minSize", "maxSize", "desiredSize"))
        if not least <= size <= most or most < 1:
            raise self._invalid(params, f"Minimum capacity {least}, desired {size} and maximum {most} do not fit")
        if not params.get("nodeRole"):
            raise self._invalid(params, "The node role is missing")
        (kind,) = params.get("instanceTypes") or ("",)
        group = Group(
            name=f"eks-{name}-{uuid_of(self._hands.seed, 'nodegroup', name)[:8]}",
            kind="managed",
            instance_type=str(kind),
            zones=self._hands.zones(params["subnets"]),
            size=size,
            min=least,
            max=most,
            release=release.release,
            labels=dict(params.get("labels") or {}),
            taints=tuple(_taint(taint) for taint in params.get("taints") or ()),
        )
        return Nodegroup(
            group=group,
            cluster=self._hands.cluster.name,
            ami_type=str(params["amiType"]),
            version=self._hands.cluster.version,
            release=release.release,
            created=self._hands.timers.now(),
            tags=dict(params.get("tags") or {}),
            subnets=list(params["subnets"]),
            update_config=dict(params.get("updateConfig") or {"maxUnavailable": 1}),
            status="CREATING",
            given={key: params[key] for key in KEPT if params.get(key)},
        )

    def _invalid(self, params: Params, message: str) -> Exception:
        return errors.invalid(message, self._hands.cluster.name, str(params["nodegroupName"]))


def _taint(raw: Mapping[str, Any]) -> str:
    """In Kubernetes' spelling."""
    effect = next(ours for ours, theirs in EFFECTS.items() if theirs == raw["effect"])
    return f"{raw['key']}={raw.get('value', '')}:{effect}"
