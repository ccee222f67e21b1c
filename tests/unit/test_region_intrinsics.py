"""CloudFormation's functions, and what targets receive of an event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rehearsal.region.inputs import input_of
from rehearsal.region.intrinsics import NO_VALUE, Resolver, TemplateError, parameters_of

TEMPLATE = {
    "Conditions": {
        "Blue": {"Fn::Equals": [{"Ref": "Color"}, "blue"]},
        "NotBlue": {"Fn::Not": [{"Condition": "Blue"}]},
        "Both": {"Fn::And": [{"Condition": "Blue"}, {"Condition": "NotBlue"}]},
        "Either": {"Fn::Or": [{"Condition": "Blue"}, {"Condition": "NotBlue"}]},
    },
    "Mappings": {"Sizes": {"blue": {"gpus": 8}}},
}


def resolve(node: Any) -> Any:
    """With a parameter, a pseudo parameter and one resource."""
    scalars = {"Color": "blue", "AWS::Region": "us-east-1", "AWS::NoValue": NO_VALUE}

    def reference(name: str) -> str:
        if name != "Table":
            raise TemplateError(f"Unresolved resource dependencies [{name}]")
        return "the-table"

    return Resolver(TEMPLATE, scalars, reference, lambda name, attribute: f"{name}/{attribute}").value(node)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"Ref": "Table"}, "the-table"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "Table/Arn"),
        ({"Fn::GetAtt": "Table.Stream.Arn"}, "Table/Stream.Arn"),
        ({"Fn::Sub": "${Color}-${Table.Arn}-${!literal}"}, "blue-Table/Arn-${literal}"),
        ({"Fn::Sub": ["${x}/${Table}", {"x": {"Ref": "Color"}}]}, "blue/the-table"),
        ({"Fn::If": ["Blue", "yes", "no"]}, "yes"),
        ({"a": {"Fn::If": ["NotBlue", "x", {"Ref": "AWS::NoValue"}]}, "b": 1}, {"b": 1}),
        ([1, {"Ref": "AWS::NoValue"}], [1]),
        ({"Fn::If": ["Both", "yes", {"Fn::If": ["Either", "either", "none"]}]}, "either"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Color"}]]}, "a-blue"),
        ({"Fn::Select": ["1", {"Fn::Split": ["/", "a/b"]}]}, "b"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Color"}, "gpus"]}, 8),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::ToJsonString": {"a": {"Ref": "Color"}}}, '{"a": "blue"}'),
    ],
)
def test_functions_resolve(node: Any, expected: Any) -> None:
    """Each as CloudFormation does."""
    assert resolve(node) == expected


@pytest.mark.parametrize(
    "node",
    [{"Ref": "Nothing"}, {"Fn::Cidr": []}, {"Fn::FindInMap": ["Sizes", "red", "gpus"]}, {"Fn::If": ["Unknown", 1, 2]}],
)
def test_what_cannot_be_resolved_is_an_error(node: Any) -> None:
    """Never an empty string."""
    with pytest.raises(TemplateError):
        resolve(node)


def test_parameters_are_typed_and_checked() -> None:
    """Lists are split; a missing one is named."""
    template = {"Parameters": {"Subnets": {"Type": "CommaDelimitedList"}, "Size": {"Type": "Number", "Default": 3}}}
    assert parameters_of(template, {"Subnets": "a, b"}) == {"Subnets": ["a", "b"], "Size": "3"}
    with pytest.raises(TemplateError, match="Subnets"):
        parameters_of(template, {})


DETAIL = {"name": 'Ann "the" first', "count": 2, "tags": ["x"]}
EVENT = {"id": "1", "time": "2026-11-23T10:00:00Z", "detail": DETAIL}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, EVENT),
        ({"Input": '{"a": 1}'}, {"a": 1}),
        ({"InputPath": "$.detail.tags[0]"}, "x"),
        ({"InputPath": "$.detail.nothing"}, None),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"who": "$.detail.name", "n": "$.detail.count", "all": "$.detail"},
                    "InputTemplate": '{"text": "<who> came <n> times", "who": <who>, "n": <n>, "all": <all>}',
                }
            },
            {"text": 'Ann "the" first came 2 times', "who": DETAIL["name"], "n": 2, "all": DETAIL},
        ),
    ],
)
def test_a_target_receives_its_input(target: dict[str, Any], expected: Any) -> None:
    """Valid JSON whatever is in the values."""
    assert json.loads(input_of(target, EVENT)) == expected
