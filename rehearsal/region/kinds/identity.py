"""Roles and policies, and the documents that a role ends up with."""

# ruff: noqa: ARG002 - every kind has the same two methods, and few need all that they are given

from __future__ import annotations

import functools
import json
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.exceptions import EntityAlreadyExists
from moto.iam.models import AWSManagedPolicy, iam_backends

from rehearsal.lambdas.sandbox import ACCOUNT, REGION
from rehearsal.region.kinds.base import Account, Kind, Product, Properties, document, kind, pick

AWS_MANAGED = ":iam::aws:policy/"


@functools.cache
def managed_policies() -> dict[str, Any]:
    """AWS's own policies, as moto ships them; loading all of them into IAM takes a second, so we load what is used."""
    return dict(json.loads(aws_managed_policies_data))


def managed_policy_arns() -> dict[str, str]:
    """Name to ARN, which the SAM translator needs for `Policies: [AWSLambdaBasicExecutionRole]`."""
    return {name: f"arn:aws:iam::aws:policy{data['Path']}{name}" for name, data in managed_policies().items()}


def _iam() -> Any:
    return iam_backends[ACCOUNT]["aws"]


def attach(role: str, policy_arn: str) -> None:
    """Attach a policy; AWS's own is brought in at its first use.

    moto is asked without its API: two names need no validation, and a stack has hundreds of these.
    Raises: ValueError for a policy that AWS has not.
    """
    if AWS_MANAGED in policy_arn and policy_arn not in _iam().managed_policies:
        name = policy_arn.rsplit("/", 1)[-1]
        if name not in managed_policies():
            raise ValueError(f"no AWS managed policy {name}")
        policy = AWSManagedPolicy.from_data(name, ACCOUNT, REGION, managed_policies()[name])
        _iam().managed_policies[policy.arn] = policy
    _iam().attach_role_policy(policy_arn, role)


def policies_of(role_arn: str) -> list[dict[str, Any]]:
    """Every document that grants or denies this role something, as the template rendered it.

    Raises: LookupError when there is no such role.
    """
    role = next((role for role in _iam().roles.values() if role.arn == role_arn), None)
    if role is None:
        raise LookupError(f"no role {role_arn}")
    attached = [
        version.document
        for policy in role.managed_policies.values()
        for version in policy.versions
        if version.version_id == policy.default_version_id
    ]
    return [_parsed(text) for text in (*role.policies.values(), *attached)]


@functools.lru_cache(maxsize=512)
def _parsed(text: str) -> dict[str, Any]:
    return dict(json.loads(text))


def _described(properties: Properties) -> tuple[Any, ...]:
    """What moto's model takes of a new role after its trust, in its order."""
    names = ("Path", "PermissionsBoundary", "Description")
    return (*map(properties.get, names), properties.get("Tags", []), properties.get("MaxSessionDuration", 3600))


@kind
class Role(Kind):
    """Inline and attached policies follow the template on every update."""

    type = "AWS::IAM::Role"
    name_property = "RoleName"
    create_only = ("Path",)
    known = ("RoleName", "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns", "Path", "Description", "Tags",
             "MaxSessionDuration", "PermissionsBoundary")  # fmt: skip

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """The role, its trust, then its policies.

        moto is asked without its API, which checks no more than its model does: a third of a deployment went into this.
        """
        iam, trust = _iam(), document(properties["AssumeRolePolicyDocument"])
        try:
            role = iam.create_role(name, trust, *_described(properties))
        except EntityAlreadyExists:
            iam.update_assume_role_policy(name, trust)
            role = iam.get_role(name)
        self._inline(name, properties, old or {})
        before, after = ((p or {}).get("ManagedPolicyArns", []) for p in (old, properties))
        for policy_arn in after:
            attach(name, policy_arn)
        for policy_arn in set(before) - set(after):
            iam.detach_role_policy(policy_arn, name)
        return Product(name, {"Arn": role.arn, "RoleId": role.id})

    @staticmethod
    def _inline(name: str, properties: Properties, old: Properties) -> None:
        iam = _iam()
        after = {policy["PolicyName"]: document(policy["PolicyDocument"]) for policy in properties.get("Policies", [])}
        for policy_name, text in after.items():
            iam.put_role_policy(name, policy_name, text)
        for policy_name in {policy["PolicyName"] for policy in old.get("Policies", [])} - set(after):
            iam.delete_role_policy(name, policy_name)

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Its policies first, as IAM demands."""
        iam, name = account.client("iam"), product.physical_id
        for policy_arn in properties.get("ManagedPolicyArns", []):
            iam.detach_role_policy(RoleName=name, PolicyArn=policy_arn)
        for policy in properties.get("Policies", []):
            iam.delete_role_policy(RoleName=name, PolicyName=policy["PolicyName"])
        iam.delete_role(RoleName=name)


@kind
class Policy(Kind):
    """An inline policy written into roles."""

    type = "AWS::IAM::Policy"
    known = ("PolicyName", "PolicyDocument", "Roles")
    create_only = ("PolicyName", "Roles")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """The document in every role."""
        for role in properties["Roles"]:
            account.client("iam").put_role_policy(
                RoleName=role,
                PolicyName=properties["PolicyName"],
                PolicyDocument=document(properties["PolicyDocument"]),
            )
        return Product(properties["PolicyName"])

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Out of every role."""
        for role in properties["Roles"]:
            account.client("iam").delete_role_policy(RoleName=role, PolicyName=properties["PolicyName"])


@kind
class ManagedPolicy(Kind):
    """A policy of the account; an update makes a new default version."""

    type = "AWS::IAM::ManagedPolicy"
    name_property = "ManagedPolicyName"
    known = ("ManagedPolicyName", "PolicyDocument", "Roles", "Path", "Description")
    create_only = ("Path", "Description", "Roles")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Create, or replace the one version we keep."""
        iam, text = account.client("iam"), document(properties["PolicyDocument"])
        policy_arn = f"arn:aws:iam::{ACCOUNT}:policy{properties.get('Path', '/')}{name}"
        if old is None:
            iam.create_policy(PolicyName=name, PolicyDocument=text, **pick(properties, "Path", "Description"))
        else:
            before = iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
            iam.create_policy_version(PolicyArn=policy_arn, PolicyDocument=text, SetAsDefault=True)
            iam.delete_policy_version(PolicyArn=policy_arn, VersionId=before)
        for role in properties.get("Roles", []):
            attach(role, policy_arn)
        return Product(policy_arn, {"PolicyArn": policy_arn})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Detached first."""
        iam = account.client("iam")
        for role in properties.get("Roles", []):
            iam.detach_role_policy(RoleName=role, PolicyArn=product.physical_id)
        iam.delete_policy(PolicyArn=product.physical_id)
