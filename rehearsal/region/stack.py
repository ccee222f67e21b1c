"""A stack's resources: brings each one to what the template says, in the order in which they refer to each other.

Stands in for moto's ResourceMap, which updates only what changed literally (so not what refers to a parameter inside
`Fn::Sub`), drops types it does not know and updates most types by not updating them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rehearsal.lambdas.sandbox import ACCOUNT, REGION
from rehearsal.region.intrinsics import NO_VALUE, Resolver, TemplateError, parameters_of
from rehearsal.region.kinds import KINDS, Account, Kind, Product, Properties

# Types that change nothing a rehearsal could see: they are recorded as made, and that is all.
INERT = {"AWS::CloudFormation::WaitConditionHandle"}


@dataclass
class Resource:
    """One resource as it was last put; the attribute names are those that moto's answers read."""

    logical_resource_id: str
    cf_resource_type: str
    name: str
    properties: Properties
    product: Product
    retained: bool

    @property
    def physical_resource_id(self) -> str:
        """What `Ref` gives."""
        return self.product.physical_id

    @property
    def type(self) -> str:
        """The same as in moto's own resources."""
        return self.cf_resource_type


class Resources:
    """What moto's Stack asks of its resource map."""

    def __init__(self, account: Account, stack_id: str, stack_name: str, given: dict[str, Any]) -> None:
        self._account = account
        self._stack_name = stack_name
        self.input_parameters = given
        self.resolved_parameters: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self.no_echo_parameter_keys: list[str] = []
        self.outputs: list[tuple[str, str, str | None]] = []
        self._made: dict[str, Resource] = {}
        self._template: dict[str, Any] = {}
        self._round: dict[str, bool] = {}  # logical id to "is put", absent until begun
        self._pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": REGION,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack_name,
            "AWS::StackId": stack_id,
            "AWS::NoValue": NO_VALUE,
        }

    def values(self) -> list[Resource]:
        """Every resource, in the order it was made."""
        return list(self._made.values())

    def update(self, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
        """Put every resource of the template, then delete what is no longer in it."""
        self._template = template
        self.input_parameters = parameters if parameters is not None else self.input_parameters
        self._values = parameters_of(template, self.input_parameters)
        self.resolved_parameters = {name: _shown(value) for name, value in self._values.items()}
        resolver, self._round = self._resolver(), {}
        wanted = [name for name in template["Resources"] if self._wanted(name, resolver)]
        for name in wanted:
            self._put(name, resolver)
        for name in [name for name in reversed(self._made) if name not in wanted]:
            self._delete(self._made.pop(name))
        self.outputs = list(self._outputs(resolver))

    def delete(self) -> None:
        """Delete everything that is not to be retained, last made first."""
        for resource in reversed(self.values()):
            self._delete(resource)
        self._made.clear()

    def _outputs(self, resolver: Resolver) -> Iterator[tuple[str, str, str | None]]:
        """Name, value and description of each output whose condition holds."""
        for name, output in (self._template.get("Outputs") or {}).items():
            if "Condition" not in output or resolver.condition(output["Condition"]):
                yield name, str(resolver.value(output["Value"])), output.get("Description")

    def build_change_set_actions(self, template: dict[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
        """What `sam deploy` shows before it begins; unchanged resources may be listed as modified."""
        after = {name: {"ResourceType": body["Type"]} for name, body in template["Resources"].items()}
        before = {name: {"ResourceType": made.cf_resource_type} for name, made in self._made.items()}
        return {
            "Add": {name: body for name, body in after.items() if name not in before},
            "Modify": {name: body for name, body in after.items() if name in before},
            "Remove": {name: body for name, body in before.items() if name not in after},
        }

    def _resolver(self) -> Resolver:
        scalars = {**self._pseudo, **self._values}
        return Resolver(self._template, scalars, self._reference, self._attribute)

    def _wanted(self, name: str, resolver: Resolver) -> bool:
        condition = self._template["Resources"][name].get("Condition")
        return condition is None or resolver.condition(condition)

    def _reference(self, name: str) -> str:
        return self._up_to_date(name).physical_resource_id

    def _attribute(self, name: str, attribute: str) -> Any:
        attributes = self._up_to_date(name).product.attributes
        if attribute not in attributes:
            raise TemplateError(f"{name} has no attribute {attribute}; it has {', '.join(attributes) or 'none'}")
        return attributes[attribute]

    def _up_to_date(self, name: str) -> Resource:
        resolver = self._resolver()
        if name not in self._template.get("Resources", {}) or not self._wanted(name, resolver):
            raise TemplateError(f"Unresolved resource dependencies [{name}]")
        self._put(name, resolver)
        return self._made[name]

    def _put(self, name: str, resolver: Resolver) -> None:
        if name in self._round:
            if not self._round[name]:
                raise TemplateError(f"Circular dependency: {name}")
            return
        self._round[name] = False
        body = self._template["Resources"][name]
        depends = body.get("DependsOn", [])
        for other in [depends] if isinstance(depends, str) else depends:
            if self._wanted(other, resolver):
                self._put(other, resolver)
        try:
            self._make(name, body, resolver.value(body.get("Properties", {})))
        except Exception as error:  # whatever a service says: the operator needs to hear of which resource
            raise TemplateError(f"{name} ({body['Type']}): {error}") from error
        self._round[name] = True

    def _make(self, name: str, body: dict[str, Any], properties: Properties) -> None:
        before, type_name = self._made.get(name), body["Type"]
        retained = body.get("DeletionPolicy") == "Retain"
        if before and before.properties == properties and before.cf_resource_type == type_name:
            return
        if type_name in INERT:
            made = Product(f"{self._stack_name}-{name}")
            self._made[name] = Resource(name, type_name, name, properties, made, retained)
            return
        kind = _kind(type_name, properties)
        wanted = self._name(name, kind, properties)
        replaced = before is not None and (
            before.cf_resource_type != type_name or _replaces(kind, before, wanted, properties)
        )
        if replaced and before is not None and before.name == wanted:
            self._delete(before)  # AWS would refuse to replace a resource whose name is given; a name of ours is reused
        old = None if before is None or replaced else before.properties
        product = kind.put(wanted, properties, self._account, old)
        self._made[name] = Resource(name, type_name, wanted, properties, product, retained)
        if replaced and before is not None and before.name != wanted:
            self._delete(before)

    def _name(self, logical: str, kind: Kind, properties: Properties) -> str:
        if given := properties.get(kind.name_property):
            return str(given)
        # Made from the stack and the logical id, not drawn: two runs have the same names.
        suffix = hashlib.sha256(f"{self._stack_name}/{logical}".encode()).hexdigest()[:12].upper()
        text = f"{self._stack_name}-{logical}"[: kind.name_length - 13]
        return f"{text}-{suffix}".lower() if kind.type == "AWS::S3::Bucket" else f"{text}-{suffix}"

    def _delete(self, resource: Resource) -> None:
        if not resource.retained and resource.cf_resource_type not in INERT:
            KINDS[resource.cf_resource_type].delete(resource.product, resource.properties, self._account)


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def _kind(type_name: str, properties: Properties) -> Kind:
    if type_name not in KINDS:
        raise TemplateError(f"{type_name} is not supported by the rehearsal's CloudFormation")
    unknown = sorted(set(properties) - set(KINDS[type_name].known))
    if unknown:
        raise TemplateError(f"{type_name}: {', '.join(unknown)} is not supported by the rehearsal's CloudFormation")
    return KINDS[type_name]


def _replaces(kind: Kind, before: Resource, name: str, properties: Properties) -> bool:
    fixed = set(kind.create_only)
    return before.name != name or any(before.properties.get(key) != properties.get(key) for key in fixed)
