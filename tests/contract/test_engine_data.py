"""The interpreter's data: JSONata, the context object, error names, functions, SDK integrations.

Aspects: what Step Functions adds to JSONata, null and undefined, awkward strings; which Catch sees which error;
how Lambda is called and refused; parameters, results and errors of other services, and under which role.
"""

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from rehearsal import engine
from tests.contract.engine_world import EPOCH, ROLE, World, call, catch, chain, give, wait, world

SDK = "arn:aws:states:::aws-sdk:"
ONCE = Config(retries={"total_max_attempts": 1})
ERROR = {"H": give("{% $states.input.error %}")}


@pytest.fixture
def here() -> Iterator[World]:
    """A fresh world."""
    with world() as made:
        yield made


class Refused(Exception):  # noqa: N818 - named as the product names it
    """What a function raises."""


def sdk(action: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An SDK integration."""
    return {"Type": "Task", "Resource": SDK + action, "Arguments": arguments, **more}


EXPRESSIONS: list[tuple[str, Any]] = [
    ("$partition([1,2,3,4,5], 2)", [[1, 2], [3, 4], [5]]),
    ("$range(0, 4, 2)", [0, 2, 4]),
    ("$range(3, 1, -1)", [3, 2, 1]),
    ("$parse('{\"a\": [1, null]}').a", [1, None]),
    ("$hash('a', 'SHA-256')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("$now()", "2026-11-23T10:00:00.000Z"),
    ("$millis()", int(EPOCH * 1000)),
    ("$random(7) = $random(7)", True),
    ("$random() < 1 and $random() != $random()", True),
    ("$merge([$states.input, {'b': 2}])", {"n": 4, "l": [1], "z": None, "e": [], "b": 2}),
    ("$states.input.n / 2", 2),
    ("$states.input.l", [1]),
    ("$states.input.e", []),
    ("$states.input.z", None),
    ("$exists($states.input.z) and $not($exists($states.input.y))", True),
    ("{'z': $states.input.z, 'y': $states.input.y}", {"z": None}),
    ("$map([1..3], function($v) { $v * $states.input.n })", [4, 8, 12]),
    ("$count($states.input.l[$ > 5])", 0),
    ("$string($states.input.l)", "[1]"),
    ("$fromMillis($toMillis('2026-11-23T10:00:00Z') + 60000)", "2026-11-23T10:01:00.000Z"),
]


def test_expressions_give_what_step_functions_gives(here: World) -> None:
    """Plain JSON of each."""
    data = {"n": 4, "l": [1], "z": None, "e": []}
    result = here.run({"A": give([f"{{% {expression} %}}" for expression, _ in EXPRESSIONS])}, data)
    assert (result.error, result.cause) == (None, None)
    told = list(zip([expression for expression, _ in EXPRESSIONS], result.output, strict=True))
    assert told == EXPRESSIONS


def test_uuids_are_drawn_from_the_seed() -> None:
    """Two of them differ; a second world draws the same."""
    states = {"A": give(["{% $uuid() %}", "{% $uuid() %}"])}
    with world() as here:
        first = here.run(states).output
    with world() as here:
        second = here.run(states).output
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", first[0])
    assert first[0] != first[1]
    assert first == second


BROKEN = ["$states.input.nope", "$states.input.a +", "1 + 'a'", "$sum", "$eval('1')", "$x"]


def test_a_query_that_fails_is_a_query_evaluation_error(here: World) -> None:
    """Undefined, broken, mistyped, a function, $eval, an unknown variable; a Catch sees it."""
    for expression in BROKEN:
        states = {"T": call("f", f"{{% {expression} %}}", **catch("States.QueryEvaluationError", to="H")), **ERROR}
        assert here.run(states, {"a": 1}).output == "States.QueryEvaluationError"
        plain = here.run({"A": give(f"{{% {expression} %}}")}, {"a": 1})
        assert (plain.status, plain.error) == ("FAILED", "States.QueryEvaluationError")
        assert expression in (plain.cause or "")


def test_text_survives_whatever_it_holds(here: World) -> None:
    """Quotes, newlines, backslashes, template marks and other alphabets, in input and in variables."""
    text = 'he said "hi"\nnext \\ {% 1 %} \u00fc \u4e16'
    states = {"A": give("{% $states.input %}", Assign={"s": "{% $states.input.t %}"}), "B": give("{% $s %}")}
    assert here.run(states, {"t": text}).output == text


def test_an_output_of_text_is_json(here: World) -> None:
    """The API gives JSON text, not the bare string."""
    arn = here.start(here.machine("m", chain({"A": give("yes")})))
    here.result(arn)
    assert here.sfn.describe_execution(executionArn=arn)["output"] == '"yes"'


def test_the_context_object_speaks_simulated_time(here: World) -> None:
    """EnteredTime is the state's, and the same for each of its attempts."""
    times = []

    def function(event: Any) -> Any:
        times.append(event["now"])
        if len(times) < 3:
            raise Refused

    context = "{% $merge([$states.context.Execution, {'machine': $states.context.StateMachine.Name}]) %}"
    retry = [{"ErrorEquals": ["Refused"], "IntervalSeconds": 30}]
    payload = {"now": "{% $states.context.State.EnteredTime %}"}
    here.functions["f"] = function
    states = {"W": wait(90), "F": call("f", payload, Retry=retry, Output="{% $states.input %}"), "G": give(context)}
    arn = here.start(here.machine("ctx", chain(states)), {"a": 1}, name="one")
    assert here.result(arn).output == {
        "Id": arn,
        "Input": {"a": 1},
        "Name": "one",
        "RoleArn": ROLE,
        "StartTime": "2026-11-23T10:00:00.000Z",
        "machine": "ctx",
    }
    assert times == ["2026-11-23T10:01:30.000Z"] * 3


def test_a_functions_error_is_its_class(here: World) -> None:
    """The cause holds the message, as Lambda's JSON."""

    def refuse(_: Any) -> Any:
        raise Refused('no "capacity"')

    here.functions["f"] = refuse
    states = {"F": call("f", **catch("Refused", to="H")), "H": give("{% $parse($states.input.cause).errorMessage %}")}
    assert here.run(states).output == 'no "capacity"'


def test_an_unknown_function_and_a_refused_one(here: World) -> None:
    """Lambda's own errors have Lambda's names."""
    states = {"F": call("nobody", **catch("States.ALL", to="H")), **ERROR}
    assert here.run(states).output == "Lambda.ResourceNotFoundException"
    here.refused.add((ROLE, "f"))
    here.functions["f"] = lambda _: 1
    states = {"F": call("arn:aws:lambda:us-east-1:123456789012:function:f", **catch("States.ALL", to="H")), **ERROR}
    assert here.run(states).output == "Lambda.AWSLambdaException"


def test_states_all_does_not_catch_a_runtime_error(here: World) -> None:
    """A Condition that is no boolean ends the run uncaught."""
    choice = {"Type": "Choice", "Choices": [{"Condition": "{% 5 %}", "Next": "H"}], "Default": "H"}
    result = here.run(
        {"P": {"Type": "Parallel", "Branches": [chain({"C": choice, **ERROR})], **catch("States.ALL", to="H")}, **ERROR}
    )
    assert (result.status, result.error) == ("FAILED", "States.Runtime")


def test_a_fail_state_takes_expressions_and_names_of_states(here: World) -> None:
    """What a child failed with can be the parent's own error."""
    fail = {"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "{% 'because ' & $states.input.c %}"}
    for name in ("Unhealthy", "States.TaskFailed"):
        result = here.run({"F": fail}, {"e": name, "c": "smoke"})
        assert (result.status, result.error, result.cause) == ("FAILED", name, "because smoke")


def test_choice_and_assign(here: World) -> None:
    """A loop with a variable."""
    states = {
        "I": give(0, Assign={"i": 0}),
        "P": give("{% $i %}", Assign={"i": "{% $i + 1 %}"}),
        "C": {"Type": "Choice", "Choices": [{"Condition": "{% $i < 5 %}", "Next": "P"}], "Default": "E"},
        "E": {"Type": "Succeed", "Output": "{% $i %}"},
    }
    result = here.run(states)
    assert (result.output, result.path.count("P")) == (5, 5)


def test_parameters_are_pascal_case_and_times_are_text(here: World) -> None:
    """Requests and answers, down into lists and structures."""
    boto3.client("sqs", region_name="us-east-1").create_queue(QueueName="q")
    boto3.client("ssm", region_name="us-east-1").put_parameter(Name="/x", Value="1", Type="String")
    eks = boto3.client("eks", region_name="us-east-1")
    eks.create_cluster(name="c", roleArn=ROLE, version="1.33", resourcesVpcConfig={"subnetIds": []})
    states = {
        "Cluster": sdk("eks:describeCluster", {"Name": "c"}, Output="{% {'eks': $states.result.Cluster.Status} %}"),
        "Parameter": sdk("ssm:getParameter", {"Name": "/x"}, Output="{% $merge([$states.input, $states.result]) %}"),
        "Groups": sdk("autoscaling:describeAutoScalingGroups", {"AutoScalingGroupNames": ["no"]},
                      Output="{% $merge([$states.input, $states.result]) %}"),
    }  # fmt: skip
    output = here.run(states).output
    assert output["eks"] == "ACTIVE"
    assert output["AutoScalingGroups"] == []
    assert re.match(r"\d{4}-\d\d-\d\dT.*Z$", output["Parameter"]["LastModifiedDate"])


MISSING = "arn:aws:states:us-east-1:123456789012:execution:m:x"
SERVICE_ERRORS: list[tuple[str, dict[str, Any], str]] = [
    ("eks:describeCluster", {"Name": "no"}, "Eks.ResourceNotFoundException"),
    ("ssm:getParameter", {"Name": "/no"}, "Ssm.ParameterNotFoundException"),
    ("ec2:describeInstances", {"InstanceIds": ["i-0000"]}, "Ec2.Ec2Exception"),
    ("sfn:describeExecution", {"ExecutionArn": MISSING}, "Sfn.ExecutionDoesNotExistException"),
]


def test_a_services_error_has_its_name(here: World) -> None:
    """The service in the docs' spelling, then the exception."""
    for action, arguments, name in SERVICE_ERRORS:
        states = {"A": sdk(action, arguments, **catch("States.ALL", to="H")), **ERROR}
        assert here.run(states).output == name


def test_a_condition_that_fails_on_dynamodb(here: World) -> None:
    """The optimised integration has its own prefix."""
    table = {"KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    attributes = [{"AttributeName": "k", "AttributeType": "S"}]
    boto3.client("dynamodb", region_name="us-east-1").create_table(
        TableName="t", AttributeDefinitions=attributes, **table
    )
    put = {"TableName": "t", "Item": {"k": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(k)"}
    task = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "Arguments": put}
    error = "DynamoDB.ConditionalCheckFailedException"
    states = {"A": {**task, "Output": 1}, "B": {**task, **catch(error, to="H")}, **ERROR}
    assert here.run(states).output == error


def test_clients_are_made_for_the_machines_role(here: World) -> None:
    """Once for each service; a service that cannot be reached is the SDK's own error."""
    made = []

    def client_for(service: str, role: str) -> Any:
        made.append((service, role))
        gone = {"endpoint_url": "http://127.0.0.1:9", "config": ONCE} if service == "sqs" else {}
        client: Any = boto3.client
        return client(service, region_name="us-east-1", **gone)

    engine.install(here.clock, here.invoke, client_for=client_for, listener=here.tell)
    names = {"AutoScalingGroupNames": ["no"]}
    ask = sdk("autoscaling:describeAutoScalingGroups", names)
    here.run({"A": ask, "B": ask})
    assert made == [("autoscaling", ROLE)]
    result = here.run({"Q": sdk("sqs:listQueues", {}, **catch("Sqs.SdkClientException", to="H")), "H": give("caught")})
    assert result.output == "caught"


def test_progress_is_told_in_order(here: World) -> None:
    """Start with input, states as they are entered, end with output."""
    here.run({"W": wait(30), "G": give("done")}, {"a": 1})
    told = [(p.at - EPOCH, p.status, p.state, p.input, p.output) for p in here.story]
    assert told == [
        (0, "RUNNING", None, '{"a": 1}', None),
        (0, "RUNNING", "W", None, None),
        (30, "RUNNING", "G", None, None),
        (30, "SUCCEEDED", None, '{"a": 1}', '"done"'),
    ]
