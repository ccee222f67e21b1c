"""Functions, layers and state machines: the newest code and definition run after every put."""

# ruff: noqa: ARG002 - every kind has the same two methods, and few need all that they are given

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import yaml

from rehearsal.region.kinds.base import (
    Account,
    Kind,
    Mapping,
    Product,
    Properties,
    arn,
    ignoring,
    kind,
    lower_first,
    pick,
)

SYNC_RULE = "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
LOG_DELIVERY = (
    "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
    "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups",
)  # fmt: skip


def _strings(properties: Properties) -> Properties:
    variables = properties.get("Environment", {}).get("Variables", {})
    return {"Variables": {name: str(value) for name, value in variables.items()}}


@kind
class Function(Kind):
    """A function; the hooks on the API hand its code to Lambdas."""

    type = "AWS::Lambda::Function"
    name_property = "FunctionName"
    plain = ("Description", "Handler", "Role", "Runtime", "Layers", "VpcConfig", "TracingConfig", "LoggingConfig")
    known = ("FunctionName", "Code", "Environment", "Timeout", "MemorySize", "Architectures", "PackageType", "Tags",
             "ReservedConcurrentExecutions", *plain)  # fmt: skip

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Create, or update the configuration and then the code."""
        client, wanted = (
            account.client("lambda"),
            {**pick(properties, *self.plain), "Environment": _strings(properties)},
        )
        wanted |= {key: int(properties[key]) for key in ("Timeout", "MemorySize") if key in properties}
        code = pick(properties["Code"], "S3Bucket", "S3Key", "S3ObjectVersion")
        if old is None:
            client.create_function(FunctionName=name, Code=code, **wanted, **pick(properties, "Architectures"))
        else:
            client.update_function_configuration(FunctionName=name, **wanted)
            client.update_function_code(FunctionName=name, **code)
        reserved = properties.get("ReservedConcurrentExecutions")
        if reserved is not None:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(reserved))
        return Product(name, {"Arn": arn("lambda", f"function:{name}")})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """With all its versions."""
        account.client("lambda").delete_function(FunctionName=product.physical_id)


@kind
class Layer(Kind):
    """Every put is a new version, as on AWS."""

    type = "AWS::Lambda::LayerVersion"
    name_property = "LayerName"
    known = ("LayerName", "Content", "CompatibleRuntimes", "CompatibleArchitectures", "Description", "LicenseInfo")

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Publish."""
        more = pick(properties, "CompatibleRuntimes", "CompatibleArchitectures", "Description", "LicenseInfo")
        answer = account.client("lambda").publish_layer_version(LayerName=name, Content=properties["Content"], **more)
        return Product(answer["LayerVersionArn"])

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Only this version."""
        name, version = product.physical_id.split(":")[-2:]
        account.client("lambda").delete_layer_version(LayerName=name, VersionNumber=int(version))


@kind
class Permission(Kind):
    """A statement of a function's own policy."""

    type = "AWS::Lambda::Permission"
    known = ("FunctionName", "Action", "Principal", "SourceArn", "SourceAccount")
    create_only = known

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Add it."""
        account.client("lambda").add_permission(StatementId=name, **properties)
        return Product(name)

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Remove it; gone with its function is fine."""
        client, function = account.client("lambda"), properties["FunctionName"]
        call = {"FunctionName": function, "StatementId": product.physical_id}
        ignoring("ResourceNotFoundException", lambda: client.remove_permission(**call))


@kind
class EventSourceMapping(Kind):
    """A queue whose messages go to a function: kept for whoever polls, since moto would deliver while one sends."""

    type = "AWS::Lambda::EventSourceMapping"
    known = ("EventSourceArn", "FunctionName", "BatchSize", "FunctionResponseTypes", "ScalingConfig", "Enabled")
    create_only = ("EventSourceArn",)

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Goal, not delta. Raises: ValueError for a batch that Lambda takes only with a window."""
        batch = int(properties.get("BatchSize", 10))
        if batch > 10:  # noqa: PLR2004 - Lambda's own limit for a queue without a batching window
            raise ValueError("BatchSize over 10 needs MaximumBatchingWindowInSeconds")
        partial = "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", ())
        function = str(properties["FunctionName"])
        target = function if function.startswith("arn:") else arn("lambda", f"function:{function}")
        account.mappings[name] = Mapping(properties["EventSourceArn"], target, batch, partial)
        return Product(name, {"Id": name})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Nobody polls any more."""
        account.mappings.pop(product.physical_id, None)


@kind
class StateMachine(Kind):
    """A machine; its definition comes inline or from S3, and its substitutions are put in here."""

    type = "AWS::StepFunctions::StateMachine"
    name_property = "StateMachineName"
    name_length = 80
    create_only = ("StateMachineType",)
    known = ("StateMachineName", "StateMachineType", "RoleArn", "Definition", "DefinitionString", "Tags",
             "DefinitionS3Location", "DefinitionSubstitutions", "LoggingConfiguration",
             "TracingConfiguration")  # fmt: skip

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Create or update; running executions keep the definition they started with."""
        client, machine = account.client("stepfunctions"), arn("states", f"stateMachine:{name}")
        wanted: dict[str, Any] = {"definition": _definition(properties, account), "roleArn": properties["RoleArn"]}
        wanted |= lower_first(pick(properties, "LoggingConfiguration", "TracingConfiguration"))
        for action, resource in _asked_of_the_role(wanted):
            if refusal := account.refusal(properties["RoleArn"], action, resource):
                raise PermissionError(refusal)
        if old is None:
            client.create_state_machine(name=name, type=properties.get("StateMachineType", "STANDARD"), **wanted)
        else:
            client.update_state_machine(stateMachineArn=machine, **wanted)
        return Product(machine, {"Arn": machine, "Name": name})

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """With its executions."""
        account.client("stepfunctions").delete_state_machine(stateMachineArn=product.physical_id)


def _asked_of_the_role(machine: Properties) -> Iterator[tuple[str, str]]:
    """What Step Functions makes sure of before it takes a machine: its rule for `.sync`, delivery of logs.

    Source: Step Functions developer guide, "IAM policies for calling other Step Functions" and "Using CloudWatch Logs".
    """
    if "startExecution.sync" in machine["definition"]:
        yield from ((f"events:{name}", arn("events", SYNC_RULE)) for name in ("PutTargets", "PutRule", "DescribeRule"))
    if machine.get("loggingConfiguration", {}).get("level", "OFF") != "OFF":
        yield from ((f"logs:{name}", "*") for name in LOG_DELIVERY)


@functools.lru_cache(maxsize=64)
def _as_json(body: bytes) -> str:
    """AWS takes YAML here too; its parser is slow, and a test run deploys the same definitions again and again."""
    return json.dumps(yaml.safe_load(body))


def _definition(properties: Properties, account: Account) -> str:
    text = properties.get("DefinitionString") or json.dumps(properties.get("Definition"))
    if "DefinitionS3Location" in properties:
        place = properties["DefinitionS3Location"]
        body = account.client("s3").get_object(Bucket=place["Bucket"], Key=place["Key"])["Body"].read()
        text = _as_json(body)
    for key, value in properties.get("DefinitionSubstitutions", {}).items():
        text = text.replace("${" + key + "}", str(value))
    return text
