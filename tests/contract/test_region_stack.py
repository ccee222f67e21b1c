"""CloudFormation of the region.

Covered: every type of the tiny template, outputs, updates that really update
(code, definition, policies, parameters inside Sub), removal, retention, conditions, refusal of what is unknown.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import moto.core.utils
import pytest

from rehearsal.deploy import DeployError

TINY = Path(__file__).parents[1] / "fixtures" / "tiny"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the tiny project that a test may change."""
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))


def edit(path: Path, before: str, after: str) -> None:
    """Replace a text that is there."""
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def greet(world: Any, outputs: dict[str, str]) -> str:
    """What the deployed function answers."""
    answer = world.client("lambda").invoke(FunctionName=outputs["Function"], Payload=b'{"name": "ann"}')
    return str(json.loads(answer["Payload"].read())["text"])


def test_a_stack_comes_up_with_its_outputs(world: Any) -> None:
    """A function's code, its layer, its environment with a table's name, and the outputs that `sam` prints."""
    outputs = world.deploy()
    assert set(outputs) == {"Machine", "Function", "TableArn", "Topic"}
    assert outputs["TableArn"].endswith(":table/" + world.physical("Table"))
    assert greet(world, outputs) == "HELLO, BLUE ANN"


def test_every_resource_of_the_template_is_really_there(world: Any) -> None:
    """Asked of the services, not of the stack."""
    world.deploy()
    table = world.client("dynamodb").describe_time_to_live(TableName=world.physical("Table"))
    assert table["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    versioning = world.client("s3").get_bucket_versioning(Bucket=world.physical("Policies"))
    assert versioning["Status"] == "Enabled"
    assert world.client("scheduler").list_schedules()["Schedules"][0]["Name"] == "GreetPersonTick"
    assert [rule["Name"] for rule in world.client("events").list_rules(EventBusName="tiny")["Rules"]]
    alarm = world.client("cloudwatch").describe_alarms()["MetricAlarms"][0]
    assert alarm["AlarmActions"] == [world.physical("Topic")]
    groups = world.client("logs").describe_log_groups(logGroupNamePrefix=world.physical("Log"))["logGroups"]
    assert groups[0]["retentionInDays"] == 30


def test_policies_come_back_as_rendered(world: Any) -> None:
    """Inline ones, the account's own, and AWS's: with ARNs, not with functions of the template."""
    outputs = world.deploy()
    role = world.client("lambda").get_function(FunctionName=outputs["Function"])["Configuration"]["Role"]
    statements = [s for document in world.region.policies_of(role) for s in document["Statement"]]
    assert {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": outputs["TableArn"]} in statements
    assert {"Effect": "Deny", "Action": "iam:*", "Resource": "*"} in statements
    assert any("ec2:CreateNetworkInterface" in statement["Action"] for statement in statements)


def test_a_role_nobody_made_has_no_policies(world: Any) -> None:
    """The wire must hear that, not an empty list."""
    with pytest.raises(LookupError, match="no role"):
        world.region.policies_of("arn:aws:iam::123456789012:role/nobody")


def test_access_entries_are_recorded_resolved(world: Any) -> None:
    """The apiserver's webhook answers with these; an update replaces them."""
    world.deploy()
    world.deploy(ClusterName="green")
    entry = world.region.access_entries[0]
    assert len(world.region.access_entries) == 1
    assert (entry.cluster, entry.groups) == ("green", ("tiny:greeters",))
    assert (
        entry.principal_arn == entry.username == f"arn:aws:iam::123456789012:role/{world.physical('GreetPersonRole')}"
    )


def test_a_second_deploy_runs_the_new_code(world: Any, copy: Path) -> None:
    """A changed handler and a changed layer, both warm before."""
    outputs = world.deploy(copy / "template.yaml")
    assert greet(world, outputs) == "HELLO, BLUE ANN"
    edit(copy / "functions/greet_person/app.py", "event['name']}", "event['name']}!")
    world.deploy(copy / "template.yaml")
    assert greet(world, outputs) == "HELLO, BLUE ANN!"
    edit(copy / "layer/python/shared.py", "text.upper()", "text.title()")
    world.deploy(copy / "template.yaml")
    assert greet(world, outputs) == "Hello, Blue Ann!"


def test_a_parameter_inside_a_text_updates_what_uses_it(world: Any) -> None:
    """The environment is a `Fn::Sub`: nothing in the resource's own text changes."""
    outputs = world.deploy()
    assert world.deploy(Greeting="hi") == outputs
    assert greet(world, outputs) == "HI, BLUE ANN"


def test_a_second_deploy_changes_definition_and_policy(world: Any, copy: Path) -> None:
    """What runs next is the new definition, under the new grants, and the old grant is gone."""
    outputs = world.deploy(copy / "template.yaml")
    edit(copy / "statemachines/greet.asl.json", '"TimeoutSeconds": 30', '"TimeoutSeconds": 31')
    edit(copy / "template.yaml", "Action: dynamodb:GetItem", "Action: dynamodb:Query")
    world.deploy(copy / "template.yaml")
    machine = world.client("stepfunctions").describe_state_machine(stateMachineArn=outputs["Machine"])
    assert json.loads(machine["definition"])["States"]["GreetPerson"]["TimeoutSeconds"] == 31
    assert f":function:{outputs['Function']}" in machine["definition"]
    role = world.client("iam").get_role(RoleName=world.physical("GreetPersonRole"))["Role"]["Arn"]
    text = json.dumps(world.region.policies_of(role))
    assert "dynamodb:Query" in text
    assert "dynamodb:GetItem" not in text


def test_what_leaves_the_template_is_deleted_unless_retained(world: Any, copy: Path) -> None:
    """A condition that turned false deletes too."""
    world.deploy(copy / "template.yaml")
    world.deploy(copy / "template.yaml", WithTopic="false")
    assert world.client("sns").list_topics()["Topics"] == []
    table = world.physical("Table")
    world.client("cloudformation").delete_stack(StackName="tiny")
    assert world.client("dynamodb").list_tables()["TableNames"] == [table]
    assert world.client("lambda").list_functions()["Functions"] == []
    assert world.lambdas.names() == []


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("Type: AWS::CloudWatch::Dashboard", "Type: AWS::CloudWatch::Nothing", r"AWS::CloudWatch::Nothing is not supp"),
        ("VisibilityTimeout: 30", "VisibilityTimeoutt: 30", r"Seen .*VisibilityTimeoutt is not supported"),
        ("!GetAtt Table.Arn}", "!GetAtt Table.Ern}", r"Table has no attribute Ern; it has Arn"),
        ("KubernetesGroups: [tiny:greeters]", "KubernetesGroups: [system:masters]", r"cannot start with system:"),
    ],
)
def test_what_aws_would_refuse_or_we_do_not_know_is_refused(
    world: Any, copy: Path, before: str, after: str, message: str
) -> None:
    """Dropped quietly, the rehearsal would prove a stack that AWS never gets."""
    edit(copy / "template.yaml", before, after)
    with pytest.raises(DeployError, match=message):
        world.deploy(copy / "template.yaml")
    stack = world.client("cloudformation").describe_stacks(StackName="tiny")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_FAILED"


def test_a_wrong_parameter_is_named(world: Any) -> None:
    """With what is allowed."""
    with pytest.raises(DeployError, match=r"Parameter 'WithTopic' must be one of AllowedValues"):
        world.deploy(WithTopic="perhaps")


def test_a_stack_tells_the_parameters_that_it_was_given(world: Any) -> None:
    """A command that knows the stack's name needs no other."""
    world.deploy(WithTopic="false")

    stack = world.client("cloudformation").describe_stacks(StackName="tiny")["Stacks"][0]
    given = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}
    assert given["WithTopic"] == "false"


def test_nothing_of_moto_stays_replaced(world: Any) -> None:
    """The next user of moto in this process finds it as it was."""
    patched = moto.core.utils.utcnow
    world.region.stop()
    assert moto.core.utils.utcnow is not patched


def test_what_the_region_stamps_is_simulated_time(world: Any) -> None:
    """A table made now was made at the epoch of the story."""
    world.deploy()
    table = world.client("dynamodb").describe_table(TableName=world.physical("Table"))["Table"]
    assert table["CreationDateTime"].timestamp() == pytest.approx(world.clock.now())
