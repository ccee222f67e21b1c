"""The EKS cluster as its API shows it: where the apiserver is, its CA, and who may come in by which role.

moto invents an endpoint and a certificate that lead nowhere; here both are the wire's, so that a client built from
DescribeCluster reaches the real apiserver through it.
Leaves out: creating and updating clusters (there is one), add-ons, Fargate, updates, access policies (groups only), and
managed node groups beyond what `add_nodegroup` is given to show.
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from moto.eks.exceptions import ResourceNotFoundException
from moto.eks.responses import EKSResponse

from rehearsal.region.fleet_actions import Params, install, page
from rehearsal.region.fleet_ports import ACCOUNT, REGION, Timers, moment
from rehearsal.region.patches import Patches

ACTIONS = ("describe_cluster", "list_clusters", "list_nodegroups", "describe_nodegroup")
_ASSUMED = re.compile(r"arn:aws:sts::(\d+):assumed-role/([^/]+)/(.+)")


class Identity(NamedTuple):
    """Who the apiserver is told is calling."""

    username: str
    groups: list[str]


@dataclass(frozen=True)
class AccessEntry:
    """AWS::EKS::AccessEntry of type STANDARD; without a username EKS makes one of the role and the session."""

    principal_arn: str
    groups: tuple[str, ...] = ()
    username: str | None = None


@dataclass
class AccessEntries:
    """The entries of the cluster, by principal."""

    entries: dict[str, AccessEntry] = field(default_factory=dict)

    def put(self, entry: AccessEntry) -> None:
        """Create or replace."""
        self.entries[entry.principal_arn] = entry

    def remove(self, principal_arn: str) -> None:
        """Delete; one that is gone is fine."""
        self.entries.pop(principal_arn, None)

    def identity_of(self, arn: str) -> Identity | None:
        """The identity behind a role's ARN, or an assumed role's as STS reports it; None when it has no entry."""
        account, role, session = _parts(arn)
        found = [entry for principal, entry in self.entries.items() if _parts(principal)[:2] == (account, role)]
        if not found:
            return None
        name = found[0].username or f"arn:aws:sts::{account}:assumed-role/{role}/{{{{SessionName}}}}"
        return Identity(name.replace("{{SessionName}}", session), list(found[0].groups))


@dataclass(frozen=True)
class Cluster:
    """What DescribeCluster has to tell; `endpoint` and `ca_pem` are the wire's."""

    name: str
    version: str
    endpoint: str
    ca_pem: str
    subnets: tuple[str, ...] = ()
    vpc: str = ""


class Eks:
    """The read-only half of the EKS API over one cluster."""

    def __init__(self, timers: Timers, cluster: Cluster) -> None:
        self.cluster = cluster
        self.access_entries = AccessEntries()
        self._created = moment(timers)
        self._nodegroups: dict[str, dict[str, Any]] = {}

    def install(self, patches: Patches) -> None:
        """Answer for moto's EKS."""
        install(patches, EKSResponse, {name: getattr(self, name) for name in ACTIONS})

    def add_nodegroup(self, nodegroup: dict[str, Any]) -> None:
        """Show a managed node group, in DescribeNodegroup's own terms."""
        name, cluster = nodegroup["nodegroupName"], self.cluster.name
        arn = f"arn:aws:eks:{REGION}:{ACCOUNT}:nodegroup/{cluster}/{name}"
        shown = {"clusterName": cluster, "nodegroupArn": arn, "status": "ACTIVE", "createdAt": self._created}
        self._nodegroups[name] = {**shown, **nodegroup}

    def list_clusters(self, _params: Params) -> dict[str, Any]:
        """The one cluster."""
        return {"clusters": [self.cluster.name]}

    def describe_cluster(self, params: Params) -> dict[str, Any]:
        """Endpoint, CA and authentication mode, for clients that build themselves from it."""
        self._check(params)
        return {"cluster": _described(self.cluster, self._created)}

    def list_nodegroups(self, params: Params) -> dict[str, Any]:
        """Names only; self-managed groups are Auto Scaling's and not among them."""
        self._check(params)
        renamed = {"NextToken": params.get("nextToken"), "size": params.get("maxResults")}
        names, token = page(list(self._nodegroups), renamed, "size", 100)
        return {"nodegroups": names, "nextToken": token}

    def describe_nodegroup(self, params: Params) -> dict[str, Any]:
        """What `add_nodegroup` was given."""
        self._check(params)
        name = params["nodegroupName"]
        if name not in self._nodegroups:
            raise _not_found(f"No node group found for name: {name}.", self.cluster.name, name)
        return {"nodegroup": self._nodegroups[name]}

    def _check(self, params: Params) -> None:
        name = params.get("name") or params.get("clusterName")
        if name != self.cluster.name:
            raise _not_found(f"No cluster found for name: {name}.")


def _parts(arn: str) -> tuple[str, str, str]:
    """Account, role name and session: STS drops the path of a role, so paths are not compared."""
    assumed = _ASSUMED.fullmatch(arn)
    if assumed:
        return assumed[1], assumed[2], assumed[3]
    return arn.split(":")[4], arn.rsplit("/", 1)[-1], "session"


def _described(cluster: Cluster, created: Any) -> dict[str, Any]:
    return {
        "name": cluster.name,
        "arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{cluster.name}",
        "createdAt": created,
        "version": cluster.version,
        "platformVersion": "eks.1",
        "status": "ACTIVE",
        "endpoint": cluster.endpoint,
        "certificateAuthority": {"data": base64.b64encode(cluster.ca_pem.encode()).decode()},
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{cluster.name}-cluster",
        "resourcesVpcConfig": {"subnetIds": list(cluster.subnets), "vpcId": cluster.vpc, "endpointPrivateAccess": True},
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"},
        "accessConfig": {"authenticationMode": "API"},
        "health": {"issues": []},
        "tags": {},
    }


def _not_found(message: str, cluster: str | None = None, nodegroup: str | None = None) -> Exception:
    error: Exception = ResourceNotFoundException(
        clusterName=cluster, nodegroupName=nodegroup, fargateProfileName=None, addonName=None, message=message
    )
    return error
