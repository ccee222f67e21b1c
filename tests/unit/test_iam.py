"""The policy evaluator: allow, deny, wildcards, operators, tags, leading keys, and all that it must not guess."""

from collections.abc import Mapping
from typing import Any

import pytest

from rehearsal.wire.conditions import Unjudged, arn_like, condition_holds
from rehearsal.wire.policy import Ask, decide

GROUP = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:u-1:autoScalingGroupName/gpu"
ASK = Ask("autoscaling:SuspendProcesses", GROUP)


def policy(**statement: Any) -> dict[str, Any]:
    """One document with one statement, allowing everything unless told otherwise."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", **statement}]}


def allowed(ask: Ask, *documents: Mapping[str, Any]) -> bool:
    """The bare answer."""
    return decide(documents, ask).allowed


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("autoscaling:SuspendProcesses", GROUP, True),
        ("autoscaling:*", "*", True),
        ("AutoScaling:suspendprocesses", "*", True),
        ("autoscaling:Suspend?rocesses", "*", True),
        ("autoscaling:ResumeProcesses", "*", False),
        ("autoscaling:SuspendProcesses", GROUP.replace("u-1", "*"), True),
        ("autoscaling:SuspendProcesses", GROUP.replace("/gpu", "/cpu"), False),
        ("autoscaling:SuspendProcesses", "arn:aws:autoscaling:*:*:autoScalingGroup:*", True),
        ("autoscaling:SuspendProcesses", "arn:aws:*:autoScalingGroupName/gpu", False),
    ],
)
def test_an_action_and_a_resource_must_both_match(action: str, resource: str, expected: bool) -> None:  # noqa: FBT001
    """Actions ignore case; a wildcard in an ARN never crosses one of its six parts."""
    assert allowed(ASK, policy(Action=action, Resource=resource)) is expected


def test_an_explicit_deny_beats_every_allow_and_says_so() -> None:
    """Whatever the order and the document."""
    verdict = decide([policy(), policy(Effect="Deny", Action="autoscaling:*")], ASK)

    assert (verdict.allowed, verdict.reason) == (False, "with an explicit deny in an identity-based policy")


def test_without_a_matching_statement_the_answer_is_no_in_awss_words() -> None:
    """A role without policies may do nothing."""
    reason = "because no identity-based policy allows the autoscaling:SuspendProcesses action"

    assert decide([], ASK).reason == reason


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "expected"),
    [
        ("StringEquals", ["a", "b"], ["b"], True),
        ("StringEquals", ["a"], ["A"], False),
        ("StringEquals", ["a"], None, False),
        ("StringEqualsIfExists", ["a"], None, True),
        ("StringEqualsIfExists", ["a"], ["b"], False),
        ("StringNotEquals", ["a"], ["b"], True),
        ("StringNotEquals", ["a"], None, True),
        ("StringNotEquals", ["a", "b"], ["b"], False),
        ("StringEqualsIgnoreCase", ["A"], ["a"], True),
        ("StringLike", ["lock#*"], ["lock#gpu"], True),
        ("StringLike", ["lock#?"], ["lock#gpu"], False),
        ("StringLike", ["lock.gpu"], ["lock#gpu"], False),
        ("ForAllValues:StringLike", ["lock#*"], ["lock#a", "lock#b"], True),
        ("ForAllValues:StringLike", ["lock#*"], ["lock#a", "undo#b"], False),
        ("ForAllValues:StringLike", ["lock#*"], None, True),
        ("ForAnyValue:StringEquals", ["a"], ["b", "a"], True),
        ("ForAnyValue:StringEquals", ["a"], ["b"], False),
        ("ForAnyValue:StringEquals", ["a"], None, False),
        ("Bool", ["true"], ["True"], True),
        ("Bool", ["false"], ["true"], False),
        ("ArnLike", ["arn:aws:ec2:*:*:launch-template/*"], ["arn:aws:ec2:r:1:launch-template/lt-1"], True),
        ("ArnLike", ["arn:aws:ec2:*:launch-template/*"], ["arn:aws:ec2:r:1:launch-template/lt-1"], False),
        ("ArnNotLike", ["arn:aws:ec2:*:*:*"], ["arn:aws:s3:r:1:x"], True),
        ("Null", ["true"], None, True),
        ("Null", ["true"], ["a"], False),
        ("Null", ["false"], ["a"], True),
    ],
)
def test_an_operator_holds_as_iam_documents_it(
    operator: str,
    wanted: list[str],
    given: list[str] | None,
    expected: bool,  # noqa: FBT001
) -> None:
    """Also over an absent key, where negated operators, IfExists and ForAllValues hold."""
    assert condition_holds(operator, wanted, given) is expected


@pytest.mark.parametrize("operator", ["NumericLessThan", "DateGreaterThan", "IpAddress", "ForSomeValues:StringLike"])
def test_an_unknown_operator_is_no_pass(operator: str) -> None:
    """Not even over an absent key."""
    with pytest.raises(Unjudged, match=operator):
        condition_holds(operator, ["a"], None)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ({"NotAction": "x:Y"}, "NotAction"),
        ({"NotResource": "x"}, "NotResource"),
        ({"Principal": "*"}, "Principal"),
        ({"Effect": "Perhaps"}, "Effect"),
        ({"Resource": "arn:aws:s3:::${aws:username}"}, "nobody rendered it"),
        ({"Resource": {"Fn::GetAtt": ["Table", "Arn"]}}, "nobody rendered it"),
        ({"Condition": {"DateLessThan": {"aws:principalarn": "x"}}}, "condition key"),
        ({"Condition": {"StringEquals": {"aws:SourceVpce": "x"}}}, "aws:SourceVpce"),
    ],
)
def test_whatever_the_wire_cannot_judge_refuses_and_is_named(statement: dict[str, Any], named: str) -> None:
    """An allow beside it does not help: the whole role is unjudged."""
    verdict = decide([policy(), policy(**statement)], ASK)

    assert verdict.allowed is False
    assert "cannot judge" in verdict.reason
    assert named in verdict.reason


def test_a_deny_with_an_unknown_key_refuses_too() -> None:
    """Taken for absent it would not deny, and the call would pass."""
    deny = policy(Effect="Deny", Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}})

    assert allowed(ASK, policy(), deny) is False


@pytest.mark.parametrize("key", ["aws:ResourceTag/gpuops", "autoscaling:ResourceTag/gpuops", "ec2:ResourceTag/gpuops"])
def test_tags_of_the_resource_are_asked_only_by_a_statement_that_covers_the_call(key: str) -> None:
    """They cost a call to the region."""
    asked = []

    def tags() -> Mapping[str, str]:
        asked.append(key)
        return {"gpuops": "yes"}

    ask = Ask(ASK.action, GROUP, tags=tags)
    guarded = {"StringEquals": {key: "yes"}}

    assert allowed(ask, policy(Action="s3:*", Condition=guarded)) is False
    assert asked == []
    assert allowed(ask, policy(Condition=guarded)) is True
    assert allowed(ask, policy(Condition={"StringEquals": {key: "no"}})) is False
    assert asked == [key, key]


def test_leading_keys_keep_roles_apart_in_one_table() -> None:
    """Every key of the call must be one of ours."""
    guard = policy(Condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["lock#*", "undo#*"]}})

    def touching(*keys: str) -> Ask:
        return Ask("dynamodb:BatchWriteItem", "arn:aws:dynamodb:r:1:table/t", {"dynamodb:leadingkeys": keys})

    assert allowed(touching("lock#gpu", "undo#gpu"), guard) is True
    assert allowed(touching("lock#gpu", "journal#1"), guard) is False


def test_an_arn_is_matched_part_by_part() -> None:
    """The sixth part keeps its own colons."""
    assert arn_like("arn:aws:states:*:*:execution:rotate:*", "arn:aws:states:us-east-1:1:execution:rotate:run-1")
    assert not arn_like("arn:aws:states:*:execution:rotate:*", "arn:aws:states:us-east-1:1:execution:rotate:run-1")
