"""Tables and buckets. Left out: expiry by TTL or lifecycle rules, which takes AWS days and changes no decision."""

# ruff: noqa: ARG002 - every kind has the same two methods, and few need all that they are given

from __future__ import annotations

import functools
from typing import Any

from rehearsal.region.kinds.base import Account, Kind, Product, Properties, arn, ignoring, kind, pick


@kind
class Table(Kind):
    """A table with its TTL and recovery settings."""

    type = "AWS::DynamoDB::Table"
    name_property = "TableName"
    create_only = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    known = ("TableName", "KeySchema", "AttributeDefinitions", "BillingMode", "ProvisionedThroughput", "Tags",
             "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "TimeToLiveSpecification", "SSESpecification",
             "PointInTimeRecoverySpecification", "DeletionProtectionEnabled")  # fmt: skip

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Create it if need be, then set what can change."""
        dynamodb = account.client("dynamodb")
        plain = pick(properties, "KeySchema", "AttributeDefinitions", "ProvisionedThroughput", "GlobalSecondaryIndexes",
                     "LocalSecondaryIndexes", "Tags", "DeletionProtectionEnabled")  # fmt: skip
        if "SSESpecification" in properties:
            plain["SSESpecification"] = {"Enabled": properties["SSESpecification"]["SSEEnabled"]}
        mode = properties.get("BillingMode", "PROVISIONED")
        create = functools.partial(dynamodb.create_table, TableName=name, BillingMode=mode, **plain)
        ignoring("ResourceInUseException", create)
        if "TimeToLiveSpecification" in properties and (old or {}).get("TimeToLiveSpecification") is None:
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
        recovery = properties.get("PointInTimeRecoverySpecification")
        if recovery:
            dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
        return Product(name, {"Arn": arn("dynamodb", f"table/{name}")})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """With everything in it."""
        account.client("dynamodb").delete_table(TableName=product.physical_id)


def _encryption(properties: Properties) -> dict[str, Any]:
    rules = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return {
        "Rules": [
            {("ApplyServerSideEncryptionByDefault" if k == "ServerSideEncryptionByDefault" else k): v}
            for rule in rules
            for k, v in rule.items()
            if k == "ServerSideEncryptionByDefault"
        ]
    }


@kind
class Bucket(Kind):
    """A bucket; with EventBridge notifications on, its objects wake rules."""

    type = "AWS::S3::Bucket"
    name_property = "BucketName"
    name_length = 63
    known = ("BucketName", "VersioningConfiguration", "BucketEncryption", "PublicAccessBlockConfiguration", "Tags",
             "NotificationConfiguration", "LifecycleConfiguration")  # fmt: skip

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Create it if need be, then its settings."""
        s3 = account.client("s3")
        ignoring("BucketAlreadyOwnedByYou", functools.partial(s3.create_bucket, Bucket=name))
        if "VersioningConfiguration" in properties:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])
        if "BucketEncryption" in properties:
            s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=_encryption(properties))
        if "PublicAccessBlockConfiguration" in properties:
            block = {
                key: str(value).lower() == "true" for key, value in properties["PublicAccessBlockConfiguration"].items()
            }
            s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
        notifications = properties.get("NotificationConfiguration", {})
        if unknown := set(notifications) - {"EventBridgeConfiguration"}:
            raise ValueError(f"NotificationConfiguration: {', '.join(sorted(unknown))} is not supported")
        wanted: dict[str, Any] = {"EventBridgeConfiguration": {}} if self._wakes(notifications) else {}
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=wanted)
        domain = f"{name}.s3.amazonaws.com"
        return Product(name, {"Arn": f"arn:aws:s3:::{name}", "DomainName": domain, "RegionalDomainName": domain})

    @staticmethod
    def _wakes(notifications: Properties) -> bool:
        configuration = notifications.get("EventBridgeConfiguration")
        return configuration is not None and str(configuration.get("EventBridgeEnabled", True)).lower() == "true"

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Fails while it has objects, as on AWS."""
        account.client("s3").delete_bucket(Bucket=product.physical_id)


@kind
class BucketPolicy(Kind):
    """Recorded only: moto would enforce it without its conditions, and the wire judges roles, not buckets."""

    type = "AWS::S3::BucketPolicy"
    known = ("Bucket", "PolicyDocument")
    create_only = ("Bucket",)

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """The bucket must be there."""
        account.client("s3").head_bucket(Bucket=properties["Bucket"])
        return Product(properties["Bucket"])

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Nothing to do."""
