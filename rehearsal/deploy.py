"""Packages a SAM template and makes its stack, the way `sam package` and `sam deploy` do.

In process it takes a fraction of `sam deploy`'s seven seconds, and takes the same road from the upload on: content
addressed objects in S3, a change set, its execution.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions
from samtranslator.yaml_helper import yaml_parse

from rehearsal.region.kinds import Account

BUCKET = "gpuops-artifacts"
STACK = "gpuops"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
NO_CHANGES = "didn't contain changes"
StackOutputs = dict[str, str]


@dataclass(frozen=True)
class BuiltCode:
    """Folders that a build made: a layer's by its logical id (with `python/` inside)."""

    layers: Mapping[str, Path] = field(default_factory=dict)


class DeployError(Exception):
    """The stack could not be made; the message is CloudFormation's."""


def zip_folder(folder: Path) -> bytes:
    """The folder as an archive, the same bytes for the same content, whether or not somebody has imported from it.

    Not compressed: it goes to this machine, and deflating 60 MB takes seconds.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
                info.external_attr = (path.stat().st_mode & 0xFFFF) << 16
                archive.writestr(info, path.read_bytes())
    return buffer.getvalue()


def deploy(
    template: Path, built: BuiltCode, account: Account, parameters: Mapping[str, str], *, stack: str = STACK
) -> StackOutputs:
    """Create the stack, or update it to this template and code; returns its outputs.

    Raises: DeployError with what CloudFormation says; FileNotFoundError for code that is not there.
    """
    package = _Package(account)
    body = package.template(template, built)
    try:
        _execute(account, stack, package.url(body), parameters)
        found = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except botocore.exceptions.ClientError as error:
        raise DeployError(f"stack {stack}: {error.response['Error']['Message']}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


class _Package:
    """Uploads local folders and files, and writes where they went into the template."""

    def __init__(self, account: Account) -> None:
        self._s3 = account.client("s3")
        self._s3.create_bucket(Bucket=BUCKET)

    def template(self, path: Path, built: BuiltCode) -> bytes:
        """The packaged template as JSON."""
        parsed = copy.deepcopy(_parsed(path.read_text()))
        for name, resource in parsed["Resources"].items():
            self._package(name, resource, path.parent, built)
        return json.dumps(parsed, default=str).encode()

    def url(self, body: bytes) -> str:
        """Where the template itself went."""
        return f"https://s3.amazonaws.com/{BUCKET}/{self._put(body)}"

    def _package(self, name: str, resource: dict[str, Any], base: Path, built: BuiltCode) -> None:
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = self._place(zip_folder(_existing(base / properties["CodeUri"])))
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            folder = built.layers.get(name, base / properties["ContentUri"])
            zipped = _zipped(folder) if name in built.layers else zip_folder(_existing(folder))
            properties["ContentUri"] = self._place(zipped)
        elif resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            properties["DefinitionUri"] = self._place(_existing(base / properties["DefinitionUri"]).read_bytes())

    def _place(self, body: bytes) -> dict[str, str]:
        return {"Bucket": BUCKET, "Key": self._put(body)}

    def _put(self, body: bytes) -> str:
        key = hashlib.sha256(body).hexdigest()[:32]
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return key


@functools.lru_cache(maxsize=4)
def _parsed(text: str) -> Any:
    """The template, read once however many rehearsals deploy it: it is long, and the parser is pure Python."""
    return yaml_parse(text)


@functools.lru_cache(maxsize=2)
def _zipped(built: Path) -> bytes:
    """A layer as it was built; its folder is named by its content."""
    return zip_folder(_existing(built))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"the template names {path}, which does not exist")
    return path


def _execute(account: Account, stack: str, url: str, parameters: Mapping[str, str]) -> None:
    """Make a change set of the template and execute it, unless nothing changed."""
    client = account.client("cloudformation")
    known = {found["StackName"] for found in client.describe_stacks()["Stacks"]}
    change_set = client.create_change_set(
        StackName=stack,
        ChangeSetName=f"deploy-{url[-16:]}",
        ChangeSetType="UPDATE" if stack in known else "CREATE",
        TemplateURL=url,
        Capabilities=CAPABILITIES,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )["Id"]
    described = client.describe_change_set(ChangeSetName=change_set)
    if described["Status"] == "FAILED" and NO_CHANGES in described.get("StatusReason", ""):
        return
    client.execute_change_set(ChangeSetName=change_set)
