"""The EKS cluster as its API shows it: where the apiserver is, and which CA vouches for it.

moto invents an endpoint and a certificate that lead nowhere; here both are the wire's, so that a client built from
DescribeCluster reaches the real apiserver through it.
Leaves out: creating and updating clusters (there is one), add-ons, Fargate, updates, access entries (the stacks') and
managed node groups beyond what `add_nodegroup` is given to show.
"""

import base64
from dataclasses import dataclass
from typing import Any

from moto.eks.exceptions import ResourceNotFoundException
from moto.eks.responses import EKSResponse

from rehearsal.region.fleet_actions import Params, install, page
from rehearsal.region.fleet_ports import ACCOUNT, REGION, Timers, moment
from rehearsal.region.patches import Patches

ACTIONS = ("describe_cluster", "list_clusters", "list_nodegroups", "describe_nodegroup")


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
        "resourcesVpcConfig": {
            "subnetIds": list(cluster.subnets),
            "vpcId": cluster.vpc,
            "endpointPrivateAccess": True,
            "endpointPublicAccess": True,
            "publicAccessCidrs": ["0.0.0.0/0"],
        },
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
