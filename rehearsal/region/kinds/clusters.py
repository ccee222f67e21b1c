"""EKS access entries: kept with their values resolved, for whoever authenticates against the cluster.

moto's EKS knows none; recorded here, the real apiserver's webhook can answer with exactly what the template grants.
"""

# ruff: noqa: ARG002 - every kind has the same two methods, and few need all that they are given

from __future__ import annotations

from rehearsal.region.kinds.base import AccessEntry, Account, Kind, Product, Properties, arn, kind


@kind
class Entry(Kind):
    """Who may enter the cluster, under which user name and groups."""

    type = "AWS::EKS::AccessEntry"
    create_only = ("ClusterName", "PrincipalArn", "Type")
    known = ("ClusterName", "PrincipalArn", "Type", "Username", "KubernetesGroups", "Tags")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Replaces what the same principal had before.

        Raises: ValueError for what EKS refuses.
        """
        groups = tuple(properties.get("KubernetesGroups", []))
        for group in groups:
            if group.startswith("system:"):
                raise ValueError(f"The kubernetes group name {group} is invalid, it cannot start with system:")
        principal: str = properties["PrincipalArn"]
        entry = AccessEntry(properties["ClusterName"], principal, str(properties.get("Username", principal)), groups)
        self._remove(entry.cluster, principal, account)
        account.access_entries.append(entry)
        return Product(f"{principal}|{entry.cluster}", {"AccessEntryArn": arn("eks", f"access-entry/{entry.cluster}")})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """No more entrance."""
        self._remove(properties["ClusterName"], properties["PrincipalArn"], account)

    @staticmethod
    def _remove(cluster: str, principal: str, account: Account) -> None:
        keep = [e for e in account.access_entries if (e.cluster, e.principal_arn) != (cluster, principal)]
        account.access_entries[:] = keep
