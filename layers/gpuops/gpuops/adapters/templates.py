"""Launch templates: read one version, and make the next from it.

The copy is made from botocore's own model of what can be sent, so a field that AWS adds later is copied as soon as
botocore knows it, and what only an answer carries (`MetadataOptions.State`, `Operator.Managed`) falls away.
"""

from collections.abc import Sequence
from typing import Any, Self

from gpuops.adapters.aws import client, translated
from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.group import Template, TemplateVersion

REQUEST_SHAPE = "RequestLaunchTemplateData"


def sendable(value: Any, shape: Any) -> Any:
    """Return the part of an answer's value that a request of the shape can carry."""
    if shape.type_name == "structure":
        return {name: sendable(value[name], member) for name, member in shape.members.items() if name in value}
    if shape.type_name == "list":
        return [sendable(item, shape.member) for item in value]
    return value


class Templates:
    """Launch templates of one account and region."""

    def __init__(self, ec2: Any) -> None:
        self._ec2 = ec2

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("ec2"))

    def read(self, template: Template) -> TemplateVersion:
        """Return what the version holds; `$Latest` and `$Default` are resolved to their number.

        Raises: Invalid when there is no such template or version; Unavailable, Refused.
        """
        name = f"launch template {template.id} version {template.version}"
        with translated(f"read {name}"):
            found = self._versions(template.id, template.version)
            newest = found if template.version == "$Latest" else self._versions(template.id, "$Latest")
        if not found or not newest:
            raise Invalid(f"{name} does not exist")
        return TemplateVersion(
            template=Template(id=found[0]["LaunchTemplateId"], version=str(found[0]["VersionNumber"])),
            data=found[0]["LaunchTemplateData"],
            latest=int(newest[0]["VersionNumber"]),
        )

    def tags(self, templates: Sequence[str]) -> list[dict[str, str]]:
        """Return the tags of each launch template, by id or name. Raises: Invalid where one is gone."""
        found: list[dict[str, Any]] = []
        for key, names in (
            ("LaunchTemplateIds", [name for name in templates if name.startswith("lt-")]),
            ("LaunchTemplateNames", [name for name in templates if not name.startswith("lt-")]),
        ):
            if names:
                with translated(f"describe launch templates {', '.join(names)}"):
                    found += self._ec2.describe_launch_templates(**{key: names})["LaunchTemplates"]
        return [{tag["Key"]: tag["Value"] for tag in template.get("Tags", [])} for template in found]

    def create(self, source: TemplateVersion, changes: dict[str, str], token: str, description: str) -> Template:
        """Return a new version: the source with the changes.

        Idempotent by `token`. Raises: Invalid, Conflict (the token with other content), Unavailable, Refused.
        """
        shape = self._ec2.meta.service_model.shape_for(REQUEST_SHAPE)
        data = sendable(source.data, shape) | changes
        with translated(f"create a version of launch template {source.template.id}"):
            made = self._ec2.create_launch_template_version(
                LaunchTemplateId=source.template.id,
                ClientToken=token,
                VersionDescription=description[:255],
                LaunchTemplateData=data,
            )["LaunchTemplateVersion"]
        return Template(id=made["LaunchTemplateId"], version=str(made["VersionNumber"]))

    def _versions(self, template: str, version: str) -> list[dict[str, Any]]:
        """Ask by id or, where the group named it so, by name."""
        which = "LaunchTemplateId" if template.startswith("lt-") else "LaunchTemplateName"
        found: list[dict[str, Any]] = self._ec2.describe_launch_template_versions(
            **{which: template}, Versions=[version]
        )["LaunchTemplateVersions"]
        return found
