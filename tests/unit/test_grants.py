"""Grants by name: those of the template, those that a call rests on, and what AWS asks of a role without any call.

That each of them is needed, `docs/grants.yaml` says by naming a scenario; that this is true, tests/rehearsal sees.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.granted import granted, twice, used
from rehearsal.region.kinds.base import Account
from rehearsal.region.kinds.functions import StateMachine
from rehearsal.scenario import names
from rehearsal.wire.policy import Ask, decide

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/gpuops-StateTable-0123456789AB"
ITEMS = {
    "Effect": "Allow",
    "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
    "Resource": [TABLE],
    "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["undo#*", "lock#*"]}},
}
TEMPLATE_TEXT = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Topic: {Type: String, Default: ''}}
Conditions: {Never: !Equals [a, b]}
Resources:
  T: {Type: AWS::DynamoDB::Table}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: functions/f
      Policies:
        - Version: '2012-10-17'
          Statement:
            - {Effect: Allow, Action: 'dynamodb:Query', Resource: !GetAtt T.Arn}
            - !If [Never, {Effect: Allow, Action: 'sns:Publish', Resource: !Ref Topic}, !Ref AWS::NoValue]
            - {Effect: Allow, Action: ['sns:Publish', 'dynamodb:Query'], Resource: !Ref Topic}
"""


def test_a_call_names_the_grants_that_it_rests_on() -> None:
    """Of two actions and two keys the ones that were asked for; of a second statement that allows it too, that one."""
    ask = Ask("dynamodb:PutItem", TABLE, {"dynamodb:leadingkeys": ("lock#gpu",)})
    wide = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}

    verdict = decide([{"Statement": [ITEMS, wide]}], ask)

    assert verdict.grants == {f"dynamodb:PutItem {TABLE} lock#*", "dynamodb:* *"}
    assert decide([{"Statement": [{**wide, "Effect": "Deny"}, ITEMS]}], ask).grants == frozenset()


def test_grants_of_a_story_and_of_the_template_are_the_same_words(tmp_path: Path) -> None:
    """Under a condition that never holds as well; parameters and made-up names become what they stand for."""
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE_TEXT)
    role, topic = "arn:aws:iam::123456789012:role/gpuops-FRole-0123456789AB", "arn:aws:sns:us-east-1:123456789012:t"
    query = f"dynamodb:Query {TABLE.replace('StateTable', 'T')}"

    there = granted(path)
    here = used({role: [query, f"sns:Publish {topic}"]}, {"Topic": topic})

    assert there == {"FRole": ["dynamodb:Query <Topic>", "dynamodb:Query table/gpuops-T", "sns:Publish <Topic>"]}
    assert here == {"FRole": ["dynamodb:Query table/gpuops-T", "sns:Publish <Topic>"]}
    assert twice(path) == [("FRole", "sns:Publish <Topic>")]


def test_no_role_has_a_grant_twice() -> None:
    """What is granted twice stays granted when somebody takes it away."""
    assert twice(TEMPLATE) == []


def test_each_right_is_shown_by_a_scenario_or_has_a_reason() -> None:
    """Without one or the other it goes. Red? Rehearse what needs the right, then `make grants`; give `?` a reason."""
    page = yaml.safe_load((ROOT / "docs" / "grants.yaml").read_text())
    said = {(role, grant): why for role, found in page.items() for grant, why in found.items()}
    there = {(role, grant) for role, found in granted(TEMPLATE).items() for grant in found}

    assert there - said.keys() == set(), "granted, and on no line of docs/grants.yaml"
    assert said.keys() - there == set(), "in docs/grants.yaml, and no longer granted"
    assert {why for why in said.values() if " " not in why} <= set(names()) - {"roll"}


class Machines:
    """Step Functions as the stack calls it."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def create_state_machine(self, **call: Any) -> None:
        """Note it."""
        self.made.append(call["name"])


@pytest.mark.parametrize(
    ("denied", "sync", "logs", "made"),
    [
        ("events:PutRule", True, "OFF", False),
        ("events:PutRule", False, "ERROR", True),
        ("logs:CreateLogDelivery", False, "ERROR", False),
        ("logs:CreateLogDelivery", True, "OFF", True),
    ],
)
def test_a_machine_whose_role_lacks_what_step_functions_needs_is_not_made(
    monkeypatch: pytest.MonkeyPatch, denied: str, *, sync: bool, logs: str, made: bool
) -> None:
    """Its own rule for `.sync`, and the delivery of logs: no call of ours ever asks for them."""
    account, machines = Account(), Machines()
    monkeypatch.setattr(account, "client", lambda _service: machines)
    account.refusal = lambda _role, action, _resource: "no" if action == denied else None
    resource = f"arn:aws:states:::states:startExecution{'.sync:2' if sync else ''}"
    properties = {"RoleArn": "r", "DefinitionString": resource, "LoggingConfiguration": {"Level": logs}}

    with nullcontext() if made else pytest.raises(PermissionError, match="no"):
        StateMachine().put("m", properties, account, None)

    assert machines.made == (["m"] if made else [])
