"""Every right that the template grants, and which of them a rehearsal made use of, in the same words.

A grant is one action on one resource, for DynamoDB with one leading key, of one role. Rendered names carry a suffix
that nobody chose, and parameters differ from story to story: both are taken out, so that a word stays the same.
"""

import functools
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rehearsal.lambdas.sandbox import ACCOUNT, REGION
from rehearsal.region.cloudformation import transform
from rehearsal.region.intrinsics import NO_VALUE, Resolver
from rehearsal.wire.policy import statements_of

STACK = "gpuops"
ARN = re.compile(r"arn:aws:[^:]*:[^:]*:[^:]*:")
SUFFIX = re.compile(r"-(?:[0-9A-F]{12}|[0-9a-f]{12})(?![0-9A-Za-z])")
"""What our CloudFormation puts behind names that it makes."""
CODE = re.compile(r"(CodeUri|ContentUri|DefinitionUri): \S+")
"""Nobody uploads anything to read rights off a template."""
_HERE = f"{REGION}:{ACCOUNT}"
FORMS = {
    "AWS::DynamoDB::Table": f"dynamodb:{_HERE}:table/",
    "AWS::Lambda::Function": f"lambda:{_HERE}:function:",
    "AWS::S3::Bucket": "s3:::",
    "AWS::SNS::Topic": f"sns:{_HERE}:",
    "AWS::SQS::Queue": f"sqs:{_HERE}:",
    "AWS::StepFunctions::StateMachine": f"states:{_HERE}:stateMachine:",
}
LOWER = {"AWS::S3::Bucket"}
Grants = dict[str, list[str]]
"""Role -> its grants, sorted: `dynamodb:PutItem table/gpuops-StateTable claim#*`."""


def used(by_role: Mapping[str, Collection[str]], parameters: Mapping[str, str]) -> Grants:
    """Name what the roles of a story made use of."""
    values = {value: name for name, value in parameters.items() if len(value) > 1}
    return _sorted((_role(arn), _word(grant, values)) for arn, grants in by_role.items() for grant in grants)


def granted(template: Path) -> Grants:
    """Every grant of every role of the template, under whatever condition it stands.

    Raises: Unjudged for a statement that the wire could not judge; whatever the transform says of a broken template.
    """
    return _sorted(_granted(template.read_text(encoding="utf-8")))


def documents(template: Path) -> dict[str, list[dict[str, Any]]]:
    """Every policy document of every role, rendered; a parameter stands as `<Name>`. Raises: as `granted`."""
    return _documents(template.read_text(encoding="utf-8"))


def twice(template: Path) -> list[tuple[str, str]]:
    """Grants that a role has more than once: one of them is there for nothing. Raises: as `granted`."""
    return [pair for pair, count in Counter(_granted(template.read_text(encoding="utf-8"))).items() if count > 1]


@functools.lru_cache(maxsize=2)
def _granted(text: str) -> list[tuple[str, str]]:
    return [
        (role, _word(grant, {}))
        for role, found in _documents(text).items()
        for statement in statements_of(found)
        for grant in statement.grants()
    ]


def _documents(text: str) -> dict[str, list[dict[str, Any]]]:
    parsed = json.loads(transform(CODE.sub(r"\1: s3://code/key", text), ()))
    parameters = {name: f"<{name}>" for name in parsed["Parameters"]}
    always = {name: {"Fn::Equals": ["", ""]} for name in parsed.get("Conditions", {})}
    pseudo = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::StackName": STACK}
    resources = parsed["Resources"]
    scalars = {**parameters, **pseudo, "AWS::NoValue": NO_VALUE}
    resolver = Resolver(
        {**parsed, "Conditions": always},
        scalars,
        lambda name: _name(name, resources[name], resolver),
        lambda name, _attribute: _name(name, resources[name], resolver),
    )
    return {role: list(_of_role(role, resources, resolver)) for role in _roles(resources)}


def _name(logical: str, resource: Mapping[str, Any], resolver: Resolver) -> str:
    """What a reference becomes, as far as words keep it: the name given, or ours without its suffix."""
    kind, given = resource["Type"], resource.get("Properties", {})
    title = str(resolver.value(given.get("StateMachineName") or given.get("Name") or f"{STACK}-{logical}"))
    return f"arn:aws:{FORMS[kind]}{title.lower() if kind in LOWER else title}" if kind in FORMS else title


def _roles(resources: Mapping[str, Any]) -> list[str]:
    return [name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"]


def _of_role(role: str, resources: Mapping[str, Any], resolver: Resolver) -> Iterator[dict[str, Any]]:
    """Its own documents, then those of the managed policies that it has."""
    properties = resources[role]["Properties"]
    attached = [resources[arn["Ref"]]["Properties"] for arn in _references(properties)]
    for policy in (*properties.get("Policies", ()), *attached):
        yield {"Version": "2012-10-17", **resolver.value(policy["PolicyDocument"])}


def _references(properties: Mapping[str, Any]) -> list[dict[str, str]]:
    """The stack's own managed policies; AWS's own are not ours to measure."""
    return [arn for arn in properties.get("ManagedPolicyArns", ()) if isinstance(arn, dict) and "Ref" in arn]


def _role(arn: str) -> str:
    return SUFFIX.sub("", arn.rpartition("/")[2]).removeprefix(f"{STACK}-")


def _word(grant: str, parameters: Mapping[str, str]) -> str:
    """A grant without account, region, suffixes and the values of parameters."""
    action, _, rest = grant.partition(" ")
    for value, name in parameters.items():
        rest = rest.replace(value, f"<{name}>")
    return f"{action} {SUFFIX.sub('', ARN.sub('', rest))}"


def _sorted(pairs: Iterable[tuple[str, str]]) -> Grants:
    found: dict[str, set[str]] = {}
    for role, grant in pairs:
        found.setdefault(role, set()).add(grant)
    return {role: sorted(found[role]) for role in sorted(found)}
