"""What a resource type is to our CloudFormation: put it, so that it is as the template says; delete it.

Everything goes through the region's own API with botocore's validation, so that a property with a wrong type fails
here as it would on AWS. A type or a property that no kind knows is an error: dropped quietly, the rehearsal would
prove a stack that AWS never gets.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import botocore.exceptions

from rehearsal.lambdas.sandbox import ACCOUNT, REGION
from rehearsal.region.direct import exchange

Properties = dict[str, Any]


@dataclass(frozen=True)
class AccessEntry:
    """Who may enter a cluster, and as what."""

    cluster: str
    principal_arn: str
    username: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Mapping:
    """Which function a queue's messages go to, by their ARNs; `partial`: it names those that failed."""

    queue: str
    function: str
    batch: int
    partial: bool


@dataclass(frozen=True)
class Product:
    """What a resource became: `Ref` gives the id, `Fn::GetAtt` an attribute."""

    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)


class Account:
    """The account that stacks are made in."""

    def __init__(self) -> None:
        self.access_entries: list[AccessEntry] = []
        self.mappings: dict[str, Mapping] = {}
        self.refusal: Callable[[str, str, str], str | None] = lambda _role, _action, _resource: None
        """What IAM says against a role's right that no call asks for; the world has the wire answer."""

    def client(self, service: str) -> Any:
        """A client of the region's own API, as CloudFormation itself would have."""
        return exchange().client(service)


class Kind:
    """One resource type. `put` creates or updates and may be repeated; `old` is what was put before."""

    type: ClassVar[str]
    known: ClassVar[tuple[str, ...]]
    name_property: ClassVar[str] = ""
    name_length: ClassVar[int] = 64
    create_only: ClassVar[tuple[str, ...]] = ()  # a change here means a new resource

    def put(self, name: str, properties: Properties, account: Account, old: Properties | None) -> Product:
        """Make it so."""
        raise NotImplementedError

    def delete(self, product: Product, properties: Properties, account: Account) -> None:
        """Make it gone."""
        raise NotImplementedError


KINDS: dict[str, Kind] = {}


def kind(cls: type[Kind]) -> type[Kind]:
    """Register a kind under its type."""
    KINDS[cls.type] = cls()
    return cls


def pick(properties: Properties, *names: str) -> Properties:
    """The named properties that are there."""
    return {name: properties[name] for name in names if name in properties}


def document(value: Any) -> str:
    """A policy document as JSON; YAML turns an unquoted Version into a date.

    SAM leaves the Version out of some documents, which IAM takes as 2008's and moto refuses.
    """
    return value if isinstance(value, str) else json.dumps({"Version": "2012-10-17", **value}, default=str)


def lower_first(value: Any) -> Any:
    """CloudFormation's spelling turned into that of an API with small first letters."""
    if isinstance(value, list):
        return [lower_first(item) for item in value]
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: lower_first(item) for key, item in value.items()}
    return value


def ignoring(error: str, call: Callable[[], Any]) -> None:
    """Call, and be content with this one error of the service."""
    try:
        call()
    except botocore.exceptions.ClientError as failure:
        if failure.response["Error"]["Code"] != error:
            raise


def arn(service: str, resource: str) -> str:
    """An ARN of our account and region."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
