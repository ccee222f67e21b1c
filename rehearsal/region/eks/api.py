"""The operations of EKS over one cluster, behind moto's response class: moto's own has no updates of node groups.

A node group is one thing at a time: whatever changes it while it is UPDATING is refused. Leaves out: creating, updating
and deleting clusters, add-ons, Fargate, updates of the cluster, access entries (the stacks'), and of
UpdateNodegroupConfig labels, taints and node repair.
"""

from collections.abc import Callable
from typing import Any

from moto.eks.responses import EKSResponse
from moto.eks.urls import response, url_paths

from rehearsal.region.eks import asked, errors
from rehearsal.region.eks.hands import Hands
from rehearsal.region.eks.making import Making
from rehearsal.region.eks.model import Nodegroup, Update
from rehearsal.region.eks.rolling import SETUP_SECONDS, Rolling, UpdateError, drive
from rehearsal.region.eks.types import CUSTOM, ami_type
from rehearsal.region.fleet_actions import Params, install, page
from rehearsal.region.fleet_groups import CLUSTER_TAG
from rehearsal.region.fleet_ports import moment, uuid_of
from rehearsal.region.patches import Patches
from rehearsal.scenario import Group, Release

ACTIONS = (
    "describe_cluster",
    "list_clusters",
    "list_nodegroups",
    "create_nodegroup",
    "delete_nodegroup",
    "describe_nodegroup",
    "update_nodegroup_version",
    "update_nodegroup_config",
    "describe_update",
)
url_paths["{0}/clusters/(?P<name>[^/]+)/node-groups/(?P<nodegroupName>[^/]+)/update-version$"] = response.dispatch
url_paths["{0}/clusters/(?P<name>[^/]+)/updates/(?P<updateId>[^/]+)$"] = response.dispatch


class Eks:
    """One cluster and its node groups."""

    def __init__(self, hands: Hands) -> None:
        self.cluster = hands.cluster
        self._hands, self._created = hands, moment(hands.timers)
        self._nodegroups: dict[str, Nodegroup] = {}
        self._tokens: dict[str, Update] = {}
        self._making = Making(hands, self._nodegroups)

    def install(self, patches: Patches) -> None:
        """Answer for moto's EKS."""
        install(patches, EKSResponse, {name: getattr(self, name) for name in ACTIONS})

    def stage(self, group: Group, release: Release) -> None:
        """A managed node group as it is before the story: full, in service, ACTIVE."""
        template = self._hands.make_template(group, release) if group.custom_ami else None
        self._hands.make(group, release)
        self._nodegroups[group.nodegroup] = made = Nodegroup(
            group=group,
            cluster=self.cluster.name,
            ami_type=CUSTOM if group.custom_ami else ami_type(release),
            version=self.cluster.version,
            release=release.ami if group.custom_ami else release.release,
            created=self._hands.timers.now(),
            tags={CLUSTER_TAG: self.cluster.name},
            subnets=self._hands.subnets(group),
            update_config=dict(group.update_config),
            template=template,
        )
        if group.startup_taint and group.size:
            self._hands.retarget(made, release.ami)

    def list_clusters(self, _params: Params) -> dict[str, Any]:
        """The one cluster."""
        return {"clusters": [self.cluster.name]}

    def describe_cluster(self, params: Params) -> dict[str, Any]:
        """Endpoint, CA and authentication mode, for clients that build themselves from it."""
        self._check(params)
        return {"cluster": self.cluster.shown(self._created)}

    def list_nodegroups(self, params: Params) -> dict[str, Any]:
        """Names only; self-managed groups are Auto Scaling's and not among them."""
        self._check(params)
        renamed = {"NextToken": params.get("nextToken"), "size": params.get("maxResults")}
        names, token = page(list(self._nodegroups), renamed, "size", 100)
        return {"nodegroups": names, "nextToken": token}

    def describe_nodegroup(self, params: Params) -> dict[str, Any]:
        """What it is now."""
        nodegroup = self._find(params)
        return {"nodegroup": nodegroup.shown(self._hands.find(nodegroup))}

    def create_nodegroup(self, params: Params) -> dict[str, Any]:
        """Begin to make one."""
        self._check(params)
        return {"nodegroup": self._making.create(params).shown(None)}

    def delete_nodegroup(self, params: Params) -> dict[str, Any]:
        """Begin to take one away."""
        return {"nodegroup": self._making.delete(nodegroup := self._find(params)).shown(self._hands.find(nodegroup))}

    def describe_update(self, params: Params) -> dict[str, Any]:
        """How an update stands; of a node group's, the node group must be named."""
        self._check(params)
        nodegroup, wanted = params.get("nodegroupName"), params["updateId"]
        if not nodegroup or wanted not in self._find(params).updates:
            raise errors.not_found(f"No update found for ID: {wanted}", self.cluster.name, nodegroup)
        return {"update": self._find(params).updates[wanted].shown()}

    def update_nodegroup_version(self, params: Params) -> dict[str, Any]:
        """Begin an update to a release, or to a version of the user's own launch template."""
        nodegroup = self._find(params)
        return self._once(params, nodegroup, lambda: self._begin_version(nodegroup, params))

    def update_nodegroup_config(self, params: Params) -> dict[str, Any]:
        """Change updateConfig or scalingConfig, which is an update of its own and takes its time."""
        nodegroup = self._find(params)
        return self._once(params, nodegroup, lambda: self._begin_config(nodegroup, params))

    def _begin_version(self, nodegroup: Nodegroup, params: Params) -> Update:
        changes = asked.template(nodegroup, params) if nodegroup.custom else {}
        release = None if nodegroup.custom else asked.release(self._hands, nodegroup.ami_type, params)
        changes |= {"Version": self.cluster.version, "ReleaseVersion": release.release} if release else {}
        update = self._begin(nodegroup, "VersionUpdate", changes)
        if nodegroup.custom:
            nodegroup.template = dict(nodegroup.template or {}) | {"version": changes["LaunchTemplateVersion"]}
        image = release.ami if release else self._hands.image_of(nodegroup.template or {})
        rolling = Rolling(self._hands, nodegroup, image, force=bool(params.get("force")))

        def done(error: UpdateError | None) -> None:
            if error is None and not nodegroup.custom:
                nodegroup.version, nodegroup.release = changes["Version"], changes["ReleaseVersion"]
            elif error is None:
                nodegroup.release = image
            else:
                self._hands.cordon(self._hands.old(nodegroup), on=False)
            self._end(nodegroup, update, error)

        drive(self._hands, f"eks/{update.id}", rolling.steps(), done)
        return update

    def _begin_config(self, nodegroup: Nodegroup, params: Params) -> Update:
        asked = {key: params[key] for key in ("updateConfig", "scalingConfig") if params.get(key)}
        update = self._begin(nodegroup, "ConfigUpdate", {key: str(value) for key, value in asked.items()})
        nodegroup.update_config = {**nodegroup.update_config, **asked.get("updateConfig", {})}
        self._hands.resize(nodegroup, asked.get("scalingConfig", {}))
        self._hands.timers.call_later(SETUP_SECONDS, f"eks/{update.id}", lambda: self._end(nodegroup, update, None))
        return update

    def _once(self, params: Params, nodegroup: Nodegroup, begin: Callable[[], Update]) -> dict[str, Any]:
        """A repeated token gets the update that it began, whatever became of it."""
        token = str(params.get("clientRequestToken") or "")
        if token not in self._tokens or not token:
            if nodegroup.status != "ACTIVE":
                why = "Nodegroup cannot be updated as it is currently not in Active State"
                raise errors.in_use(why, self.cluster.name, nodegroup.name)
            self._tokens[token] = begin()
        return {"update": self._tokens[token].shown()}

    def _begin(self, nodegroup: Nodegroup, kind: str, changes: dict[str, str]) -> Update:
        hands = self._hands
        update_id = uuid_of(hands.seed, nodegroup.name, "update", len(nodegroup.updates))
        nodegroup.updates[update_id] = update = Update(update_id, kind, changes, hands.timers.now())
        nodegroup.status = "UPDATING"
        return update

    def _end(self, nodegroup: Nodegroup, update: Update, error: UpdateError | None) -> None:
        update.status, nodegroup.status = "Failed" if error else "Successful", "ACTIVE"
        update.errors = [error.shown] if error else []

    def _find(self, params: Params) -> Nodegroup:
        self._check(params)
        name = params["nodegroupName"]
        if name not in self._nodegroups:
            raise errors.not_found(f"No node group found for name: {name}.", self.cluster.name, name)
        return self._nodegroups[name]

    def _check(self, params: Params) -> None:
        name = params.get("name") or params.get("clusterName")
        if name != self.cluster.name:
            raise errors.not_found(f"No cluster found for name: {name}.")
