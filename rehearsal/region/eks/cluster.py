"""The EKS cluster as its API shows it: where the apiserver is, and which CA vouches for it.

moto invents an endpoint and a certificate that lead nowhere; here both are the wire's, so that a client built from
DescribeCluster reaches the real apiserver through it.
"""

import base64
from dataclasses import dataclass
from typing import Any

from rehearsal.region.fleet_ports import ACCOUNT, REGION


@dataclass(frozen=True)
class Cluster:
    """What DescribeCluster has to tell; `endpoint` and `ca_pem` are the wire's."""

    name: str
    version: str
    endpoint: str
    ca_pem: str
    subnets: tuple[str, ...] = ()
    vpc: str = ""

    def shown(self, created: Any) -> dict[str, Any]:
        """As AWS describes it."""
        return {
            "name": self.name,
            "arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{self.name}",
            "createdAt": created,
            "version": self.version,
            "platformVersion": "eks.1",
            "status": "ACTIVE",
            "endpoint": self.endpoint,
            "certificateAuthority": {"data": base64.b64encode(self.ca_pem.encode()).decode()},
            "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{self.name}-cluster",
            "resourcesVpcConfig": {
                "subnetIds": list(self.subnets),
                "vpcId": self.vpc,
                "endpointPrivateAccess": True,
                "endpointPublicAccess": True,
                "publicAccessCidrs": ["0.0.0.0/0"],
            },
            "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"},
            "accessConfig": {"authenticationMode": "API"},
            "health": {"issues": []},
            "tags": {},
        }
