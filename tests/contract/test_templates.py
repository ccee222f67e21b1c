"""Launch templates: every field that can be sent survives a copy, and nothing else is sent.

The value of each field is made from botocore's own model: a field that AWS adds is tested as soon as it is there.
"""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from gpuops.adapters.templates import REQUEST_SHAPE, Templates, sendable
from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.group import Template
from tests.fakes.rotation import NEW, OLD, USER_DATA

LEAVES: dict[str, Any] = {"integer": 7, "long": 7, "float": 1.5, "double": 1.5, "boolean": True}


def filled(shape: Any) -> Any:
    """A value of the shape with every member there is."""
    if shape.type_name == "structure":
        return {name: filled(member) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [filled(shape.member), filled(shape.member)]
    if shape.type_name == "timestamp":
        return "2026-11-23T10:00:00Z"
    return (shape.enum or ["text"])[0] if shape.type_name == "string" else LEAVES[shape.type_name]


def common(value: Any, shape: Any) -> Any:
    """What a request of the shape and an answer share: written apart from the product, by paths."""
    if isinstance(value, dict):
        return {name: common(value[name], shape.members[name]) for name in value if name in shape.members}
    return [common(item, shape.member) for item in value] if isinstance(value, list) else value


def paths(value: Any, at: str = "") -> set[str]:
    """Every path of a value."""
    if isinstance(value, dict):
        return {at, *(path for name, item in value.items() for path in paths(item, f"{at}.{name}"))}
    if isinstance(value, list):
        return {at, *(path for item in value for path in paths(item, f"{at}[]"))}
    return {at}


@pytest.fixture
def ec2() -> Iterator[Any]:
    """An empty region."""
    with mock_aws():
        keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
        sdk: Any = boto3
        yield sdk.client("ec2", region_name="us-east-1", **keys)


def test_every_field_that_can_be_sent_is_copied_and_no_other(ec2: Any) -> None:
    """From an answer with every field there is: exactly the request's fields, with their values."""
    model = ec2.meta.service_model
    request, response = model.shape_for(REQUEST_SHAPE), model.shape_for("ResponseLaunchTemplateData")
    answer = filled(response)

    sent = sendable(answer, request)

    assert sent == common(answer, request)
    assert paths(sent) == paths(filled(request)) & paths(answer)
    assert paths(filled(request)) <= paths(sent), "every field of the request is there"
    assert paths(answer) - paths(sent) >= {".MetadataOptions.State", ".Operator.Managed"}


def test_a_copy_survives_the_wire(ec2: Any) -> None:
    """All of it can be sent, and it comes back the same but for what was changed."""
    templates = Templates(ec2)
    data = {**filled(ec2.meta.service_model.shape_for(REQUEST_SHAPE)), "ImageId": OLD, "UserData": USER_DATA}
    made = ec2.create_launch_template(LaunchTemplateName="gpu", LaunchTemplateData=data)["LaunchTemplate"]
    source = templates.read(Template(id=made["LaunchTemplateId"], version="$Default"))

    new = templates.create(source, {"ImageId": NEW}, "token", "a copy")

    copy = templates.read(new)
    assert (source.template.version, new.version, copy.latest) == ("1", "2", 2)
    assert copy.data == {**source.data, "ImageId": NEW}
    assert (copy.ami, copy.user_data) == (NEW, USER_DATA)
    assert paths(source.data) >= paths(data) - {".ElasticGpuSpecifications"}


def test_a_template_that_is_not_there_is_bad_input(ec2: Any) -> None:
    """The message names it."""
    with pytest.raises(Invalid, match="lt-0ffffffffffffffff"):
        Templates(ec2).read(Template(id="lt-0ffffffffffffffff", version="$Latest"))
