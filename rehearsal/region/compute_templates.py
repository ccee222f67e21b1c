"""Launch templates: versions with a source, numbers that are never used twice, and the fields only AWS adds.

moto 5.2.5 ignores SourceVersion, cannot delete a version, mixes a template's own tags into its data, returns no
response-only field and stamps the wall clock. Whoever copies a version must therefore be tested against this.
Leaves out: filters, ResolveAlias (ssm: image ids are kept as they were sent), and validation of the data itself: as on
AWS, an unknown image is noticed only when a group is pointed at the version.
"""

import copy
from collections.abc import Mapping
from typing import Any, cast

from moto.ec2.exceptions import (
    InvalidLaunchTemplateNameAlreadyExistsError,
    InvalidLaunchTemplateVersionNotFound,
    MissingParameterError,
)
from moto.ec2.models import ec2_backends
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.responses.launch_templates import LaunchTemplates as Responses
from moto.ec2.utils import convert_tag_spec, parse_user_data

from rehearsal.region.fleet_actions import Params, install, page
from rehearsal.region.fleet_ports import ACCOUNT, REGION, Timers, digest, moment
from rehearsal.region.patches import Patches
from rehearsal.region.tokens import Tokens

ACTIONS = (
    "create_launch_template",
    "create_launch_template_version",
    "describe_launch_template_versions",
    "modify_launch_template",
    "delete_launch_template_versions",
)
CREATOR = f"arn:aws:iam::{ACCOUNT}:user/admin"


class Template(LaunchTemplate):  # type: ignore[misc]
    """moto's template; a deleted version leaves a gap instead of shifting the others."""

    def get_version(self, num: Any) -> LaunchTemplateVersion:
        """By number, `$Latest` or `$Default`."""
        if str(num).lower() == "$latest":
            return self.versions[-1]
        wanted = self.default_version_number if str(num).lower() == "$default" else num
        for version in self.versions:
            if str(version.number) == str(wanted):
                return version
        raise InvalidLaunchTemplateVersionNotFound(template_id=self.id, version=num)

    def default_version(self) -> LaunchTemplateVersion:
        """The version that `$Default` means."""
        return self.get_version("$Default")


class Templates:
    """The operations on launch templates, and the look-up that Auto Scaling makes at each launch."""

    def __init__(self, timers: Timers, *, seed: str = "1") -> None:
        self._timers, self._seed = timers, seed
        self._ec2, self._tokens = ec2_backends[ACCOUNT][REGION], Tokens()

    def install(self, patches: Patches) -> None:
        """Answer for moto's EC2."""
        install(patches, Responses, {name: getattr(self, name) for name in ACTIONS})

    def resolve(self, specification: Mapping[str, Any]) -> tuple[Template, LaunchTemplateVersion]:
        """The template and version that a LaunchTemplateSpecification means right now."""
        template = self._find(specification)
        return template, template.get_version(specification.get("Version") or "$Default")

    def create_launch_template(self, params: Params) -> dict[str, Any]:
        """Version 1 of a new template."""
        name = params["LaunchTemplateName"]
        if name in self._ec2.launch_template_name_to_ids:
            raise InvalidLaunchTemplateNameAlreadyExistsError
        tags = convert_tag_spec(params.get("TagSpecifications", []))
        data = _clean(params.get("LaunchTemplateData") or {})
        template = Template(self._ec2, name, data, params.get("VersionDescription"), tags)
        template.id = f"lt-0{digest(self._seed, 'lt', name)[:16]}"
        template.create_time = template.versions[0].create_time = moment(self._timers)
        template.add_tags(tags.get("launch-template", {}))
        self._ec2.launch_templates[template.id] = template
        self._ec2.launch_template_name_to_ids[name] = template.id
        return {"LaunchTemplate": _template(template)}

    def create_launch_template_version(self, params: Params) -> dict[str, Any]:
        """The next version: the source's parameters, each replaced as a whole by the one sent, if any."""
        return self._tokens.once(params, self._create_version)

    def _create_version(self, params: Params) -> dict[str, Any]:
        template = self._find(params)
        source = params.get("SourceVersion")
        data = copy.deepcopy(template.get_version(source).data) if source else {}
        data.update(_clean(params.get("LaunchTemplateData") or {}))
        number = template.__dict__.get("next_number", 1 + template.versions[-1].number)
        version = LaunchTemplateVersion(template, number, data, params.get("VersionDescription"))
        template.next_number = number + 1
        version.create_time = moment(self._timers)
        template.versions.append(version)
        return {"LaunchTemplateVersion": _version(template, version)}

    def describe_launch_template_versions(self, params: Params) -> dict[str, Any]:
        """Newest first; without a template, `$Latest` or `$Default` of all."""
        wanted = params.get("Versions") or []
        if params.get("LaunchTemplateId") or params.get("LaunchTemplateName"):
            template = self._find(params)
            low, high = int(params.get("MinVersion") or 0), int(params.get("MaxVersion") or 10**9)
            found = [(template, template.get_version(number)) for number in wanted] or [
                (template, version) for version in reversed(template.versions) if low <= version.number <= high
            ]
        else:
            found = [(each, each.get_version(n)) for each in self._ec2.launch_templates.values() for n in wanted]
        shown, token = page(found, params, "MaxResults", 200)
        return {"LaunchTemplateVersions": [_version(*pair) for pair in shown], "NextToken": token}

    def modify_launch_template(self, params: Params) -> dict[str, Any]:
        """Another default version."""
        template = self._find(params)
        template.default_version_number = template.get_version(params["DefaultVersion"]).number
        return {"LaunchTemplate": _template(template)}

    def delete_launch_template_versions(self, params: Params) -> dict[str, Any]:
        """Each version by itself: the default one and an unknown one are answered as not deleted."""
        template, deleted, kept = self._find(params), [], []
        for number in params["Versions"]:
            entry = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": int(number)}
            error = _delete(template, str(number))
            deleted += [] if error else [entry]
            kept += [{**entry, "ResponseError": error}] if error else []
        return {
            "SuccessfullyDeletedLaunchTemplateVersions": deleted,
            "UnsuccessfullyDeletedLaunchTemplateVersions": kept,
        }

    def _find(self, params: Mapping[str, Any]) -> Template:
        if params.get("LaunchTemplateId"):
            return cast("Template", self._ec2.get_launch_template(params["LaunchTemplateId"]))
        if params.get("LaunchTemplateName"):
            return cast("Template", self._ec2.get_launch_template_by_name(params["LaunchTemplateName"]))
        raise MissingParameterError("launch template ID or launch template name")


def _delete(template: Template, number: str) -> dict[str, str] | None:
    if number == str(template.default_version_number):
        return {"Code": "unexpectedError", "Message": f"Version {number} is the default version of {template.id}."}
    rest = [version for version in template.versions if str(version.number) != number]
    if len(rest) == len(template.versions):
        return {"Code": "launchTemplateVersionDoesNotExist", "Message": f"{template.id} has no version {number}."}
    template.__dict__.setdefault("next_number", 1 + template.versions[-1].number)
    template.versions = rest
    return None


def _clean(data: Mapping[str, Any]) -> dict[str, Any]:
    """As moto stores it: its RunInstances asserts that user data has been checked to be base64."""
    clean = copy.deepcopy(dict(data))
    if clean.get("UserData"):
        clean["UserData"] = parse_user_data(str(clean["UserData"]))
    return clean


def _template(template: Template) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.create_time,
        "CreatedBy": CREATOR,
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.latest_version_number,
        "Tags": template.tags,
    }


def _version(template: Template, version: LaunchTemplateVersion) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": version.number,
        "VersionDescription": version.description,
        "CreateTime": version.create_time,
        "CreatedBy": CREATOR,
        "DefaultVersion": template.is_default(version),
        "LaunchTemplateData": _with_response_only(version.data),
    }


def _with_response_only(data: Mapping[str, Any]) -> dict[str, Any]:
    """What botocore's ResponseLaunchTemplateData has and RequestLaunchTemplateData refuses."""
    shown = copy.deepcopy(dict(data))
    if "MetadataOptions" in shown:
        shown["MetadataOptions"]["State"] = "pending"
    if "Operator" in shown:
        shown["Operator"].update(Managed=True, HiddenByDefault=False)
    for interface in shown.get("NetworkInterfaces", []):
        for address in interface.get("Ipv6Addresses", []):
            address["IsPrimaryIpv6"] = False
    return shown
