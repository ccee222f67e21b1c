"""What only a person asks of an account before anything runs: access entries, and quotas.

Leaves out: every other quota, requests for more, access policies, and changing entries except by a stack.
"""

from __future__ import annotations

import json
from typing import Any

from moto.eks.exceptions import ResourceNotFoundException
from moto.eks.responses import EKSResponse
from moto.eks.urls import response, url_paths
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from rehearsal.region.fleet_actions import Params, install
from rehearsal.region.kinds import AccessEntry, Account
from rehearsal.region.patches import Patches

ENTRIES = "{0}/clusters/(?P<name>[^/]+)/access-entries"
url_paths[f"{ENTRIES}$"] = response.dispatch
url_paths[f"{ENTRIES}/(?P<principalArn>.+)$"] = response.dispatch  # moto's own table knows neither

QUOTAS = {
    "L-DB2E81BA": ("Running On-Demand G and VT instances", 768.0),
    "L-417A185B": ("Running On-Demand P instances", 384.0),
}


class Asked:
    """Answers by what the stacks made, and by an account that somebody prepared."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def install(self, patches: Patches) -> None:
        """Answer for moto, which knows no access entries and only VPC's quotas."""
        shown = {"list_access_entries": self.list_access_entries, "describe_access_entry": self.describe_access_entry}
        install(patches, EKSResponse, shown)
        patches.set(ServiceQuotasResponse, "get_service_quota", _quota)

    def list_access_entries(self, params: Params) -> dict[str, Any]:
        """Who may enter the cluster."""
        return {"accessEntries": [entry.principal_arn for entry in self._of(params)]}

    def describe_access_entry(self, params: Params) -> dict[str, Any]:
        """One of them, with its groups."""
        principal = params["principalArn"]
        for entry in self._of(params):
            if entry.principal_arn == principal:
                groups = {"kubernetesGroups": list(entry.groups), "username": entry.username, "type": "STANDARD"}
                return {"accessEntry": {"clusterName": entry.cluster, "principalArn": principal, **groups}}
        message = f"The specified principalArn could not be found: {principal}."
        error: Exception = ResourceNotFoundException(
            clusterName=None, nodegroupName=None, fargateProfileName=None, addonName=None, message=message
        )
        raise error

    def _of(self, params: Params) -> list[AccessEntry]:
        cluster = params.get("clusterName") or params.get("name")
        return [entry for entry in self._account.access_entries if entry.cluster == cluster]


def _quota(response: Any) -> str:
    """One of EC2's quotas of GPU instances, in vCPUs; moto leaves the request's body to its handlers."""
    asked = json.loads(response.body)
    code = asked["QuotaCode"]
    if asked["ServiceCode"] != "ec2" or code not in QUOTAS:
        error: Exception = NoSuchResource()
        raise error
    name, value = QUOTAS[code]
    return json.dumps({"Quota": {"ServiceCode": "ec2", "QuotaCode": code, "QuotaName": name, "Value": value}})
