"""The wire before a real moto server, with real boto3 clients: each protocol allowed and refused, faults, the record.

The callers are roles with policies given here; the region behind is stock moto, over a socket and without one.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from rehearsal.region.dispatch import application
from rehearsal.region.wsgi import Answered, Headers, answer_of, environ_of
from rehearsal.wire import Fault, Wire

ADMIN, GUEST = (f"arn:aws:iam::123456789012:role/gpuops-{name}" for name in ("admin", "guest"))
EVERYTHING = [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}]
READ_ONE = [
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}],
    }
]
REQUESTS, FLOOR_PER_SECOND = 300, 100
"""The floor is far below what an idle core does (see the printed number): the machine that tests is shared."""


class Stopwatch:
    """A clock at a fixed simulated instant."""

    def now(self) -> float:
        """Noon of some day."""
        return 1_795_435_200.0

    def dirty(self) -> None:
        """Nobody settles here."""


@pytest.fixture(scope="module")
def region() -> Iterator[str]:
    """Stock moto on a free port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["over a socket", "inside the process"])
def wire(request: pytest.FixtureRequest, region: str, tmp_path: Path) -> Iterator[Wire]:
    """A wire that knows two roles, before the same region either way; nobody stands behind its apiserver door."""
    policies = {ADMIN: EVERYTHING, GUEST: READ_ONE}

    def ask(method: str, target: str, headers: Headers, body: bytes) -> Answered:
        return answer_of(application(), environ_of(method, f"{region}{target}", headers, body))

    wire = Wire(
        Stopwatch(), region, "https://127.0.0.1:9", tmp_path / "none.pem",
        policies=lambda role: policies.get(role, []), record=tmp_path / "wire.jsonl", cluster="demo",
        region=ask if request.param == "inside the process" else None,
    )  # fmt: skip
    wire.start()
    yield wire
    wire.stop()


def client_of(
    wire: Wire, service: str, role: str | None = ADMIN, *, attempts: int = 1, signature: str | None = None
) -> Any:
    """A boto3 client as a function process has it; without a role, one from outside."""
    keys = wire.credentials(role, role.rpartition("-")[2]) if role else None
    make: Any = boto3.client
    return make(
        service, endpoint_url=wire.aws_url, region_name="us-east-1",
        aws_access_key_id=keys.access_key if keys else "AKIAOUTSIDE",
        aws_secret_access_key=keys.secret_key if keys else "x",
        config=Config(retries={"total_max_attempts": attempts}, read_timeout=5, signature_version=signature),
    )  # fmt: skip


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    """The record, read back."""
    return [json.loads(line) for line in (tmp_path / "wire.jsonl").read_text().splitlines()]


def refusal_of(call: Callable[[], Any]) -> dict[str, Any]:
    """The error that boto3 raises, with its status."""
    with pytest.raises(ClientError) as raised:
        call()
    answer = raised.value.response
    return {**answer["Error"], "Status": answer["ResponseMetadata"]["HTTPStatusCode"]}


CALLS: dict[str, tuple[str, Callable[[Any], Any], str, int, str]] = {
    # protocol: (service, call, code, status, action in the text)
    "query": (
        "autoscaling", lambda c: c.describe_auto_scaling_groups(), "AccessDenied", 403,
        "autoscaling:DescribeAutoScalingGroups",
    ),
    "ec2": ("ec2", lambda c: c.describe_instances(), "UnauthorizedOperation", 403, "ec2:DescribeInstances"),
    "json": (
        "ssm", lambda c: c.get_parameters(Names=["/a"]), "AccessDeniedException", 400, "ssm:GetParameters",
    ),
    "json states": (
        "stepfunctions", lambda c: c.list_state_machines(), "AccessDeniedException", 400, "states:ListStateMachines",
    ),
    "json events": (
        "events", lambda c: c.put_events(Entries=[{"Source": "gpuops", "DetailType": "x", "Detail": "{}"}]),
        "AccessDeniedException", 400, "events:PutEvents",
    ),
    "cloudwatch": ("cloudwatch", lambda c: c.describe_alarms(), "AccessDenied", 403, "cloudwatch:DescribeAlarms"),
    "rest-json": (
        "eks", lambda c: c.list_nodegroups(clusterName="demo"), "AccessDeniedException", 403, "eks:ListNodegroups",
    ),
    "rest-xml": ("s3", lambda c: c.list_objects_v2(Bucket="bucket"), "AccessDenied", 403, "s3:ListBucket"),
}  # fmt: skip


@pytest.fixture
def seeded(wire: Wire) -> Wire:
    """A bucket, an object and a cluster, made by somebody outside, whom the wire lets pass."""
    s3, eks = client_of(wire, "s3", None), client_of(wire, "eks", None)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="reports/1.json", Body=b"{}")
    if "demo" not in eks.list_clusters()["clusters"]:
        eks.create_cluster(name="demo", roleArn=ADMIN, resourcesVpcConfig={})
    return wire


@pytest.mark.parametrize("protocol", CALLS)
def test_a_granted_call_reaches_the_region(protocol: str, seeded: Wire) -> None:
    """Whatever its protocol, unchanged."""
    service, call, *_ = CALLS[protocol]

    assert call(client_of(seeded, service))["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("protocol", CALLS)
def test_an_ungranted_call_is_refused_as_aws_refuses_it(protocol: str, seeded: Wire, tmp_path: Path) -> None:
    """Code, status and text; and the record names role, action and resource."""
    service, call, code, status, action = CALLS[protocol]

    error = refusal_of(lambda: call(client_of(seeded, service, GUEST)))

    assert (error["Code"], error["Status"]) == (code, status)
    who = "User: arn:aws:sts::123456789012:assumed-role/gpuops-guest/guest"
    assert f"{who} is not authorized to perform: {action} on resource: " in error["Message"]
    assert f"because no identity-based policy allows the {action} action" in error["Message"]
    last = lines(tmp_path)[-1]
    assert (last["allowed"], last["role"], last["caller"], last["status"]) == (False, GUEST, "guest", status)


def test_a_call_without_a_row_is_refused_even_to_an_administrator(wire: Wire) -> None:
    """Fail closed: the table is the list of what the product does."""
    error = refusal_of(lambda: client_of(wire, "iam").list_roles())

    assert "no row in actions.py" in error["Message"]


def test_an_object_is_read_and_written_with_its_bytes(seeded: Wire) -> None:
    """Uploads wait for 100-continue; keys may hold slashes and blanks; a ranged or missing body is no matter."""
    s3, body = client_of(seeded, "s3"), bytes(range(256)) * 8192

    s3.put_object(Bucket="bucket", Key="a b/ü.bin", Body=body)

    assert s3.get_object(Bucket="bucket", Key="a b/ü.bin")["Body"].read() == body
    assert s3.head_object(Bucket="bucket", Key="a b/ü.bin")["ContentLength"] == len(body)
    assert s3.list_objects_v2(Bucket="bucket", Prefix="a b/")["KeyCount"] == 1


def test_s3_hides_a_missing_object_from_whoever_may_not_list(seeded: Wire) -> None:
    """403 instead of 404, as on AWS: a store that counts on NoSuchKey needs s3:ListBucket."""
    assert refusal_of(lambda: client_of(seeded, "s3", GUEST).get_object(Bucket="bucket", Key="none"))["Status"] == 403
    assert refusal_of(lambda: client_of(seeded, "s3").get_object(Bucket="bucket", Key="none"))["Code"] == "NoSuchKey"


DO = ("get", "put")
FAULTS: list[tuple[Any, str, str]] = [
    ("throttle", "query", "Throttling"),
    ("throttle", "ec2", "RequestLimitExceeded"),
    ("throttle", "json", "ThrottlingException"),
    ("throttle", "rest-xml", "SlowDown"),
    ("throttle", "rest-json", "ThrottlingException"),
    ("error_5xx", "query", "InternalFailure"),
    ("error_5xx", "json", "InternalServerError"),
    ("access_denied", "json", "AccessDeniedException"),
]


@pytest.mark.parametrize(("kind", "protocol", "code"), FAULTS)
def test_a_fault_answers_with_the_services_own_code(
    kind: Any, protocol: str, code: str, seeded: Wire, tmp_path: Path
) -> None:
    """And the record says that it was one."""
    service, call, *_ = CALLS[protocol]
    seeded.faults.append(Fault(kind, service=service))

    assert refusal_of(lambda: call(client_of(seeded, service)))["Code"] == code
    assert lines(tmp_path)[-1]["fault"] == kind


@pytest.mark.parametrize("protocol", ["query", "ec2", "json", "json states", "rest-json"])
def test_a_fault_has_a_request_id_as_every_answer_of_aws(protocol: str, seeded: Wire) -> None:
    """Step Functions names it in a failed task's cause; without it the engine broke where a state was to fail."""
    service, call, *_ = CALLS[protocol]
    seeded.faults.append(Fault("throttle", service="*"))

    with pytest.raises(ClientError) as raised:
        call(client_of(seeded, service))

    assert raised.value.response["ResponseMetadata"]["RequestId"]


def test_boto3_retries_through_a_throttle_that_ends(seeded: Wire, tmp_path: Path) -> None:
    """The nth call and how often are exact."""
    seeded.faults.append(Fault("throttle", service="autoscaling", nth=2, times=1))
    groups = client_of(seeded, "autoscaling", attempts=3)

    groups.describe_auto_scaling_groups()
    answer = groups.describe_auto_scaling_groups()

    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert seeded.faults[0].last == lines(tmp_path)[-1]["at"]


def test_a_fault_that_persists_strikes_every_try_of_its_call_and_no_other(seeded: Wire, tmp_path: Path) -> None:
    """The tries are one call: the caller hears of it, and the numbers of the calls stay what they are."""
    seeded.faults.append(Fault("throttle", service="autoscaling", nth=2, persists=True))
    groups = client_of(seeded, "autoscaling", attempts=2)

    groups.describe_auto_scaling_groups()
    with pytest.raises(ClientError) as raised:
        groups.describe_auto_scaling_groups()
    groups.describe_auto_scaling_groups()

    assert raised.value.response["ResponseMetadata"]["RetryAttempts"] == 1
    assert [line["fault"] for line in lines(tmp_path)][-4:] == [None, "throttle", "throttle", None]


@pytest.mark.parametrize(("kind", "arrives"), [("reset_before", False), ("reset_after", True)])
def test_a_reset_cuts_the_connection_before_or_after_the_deed(kind: Any, arrives: bool, seeded: Wire) -> None:  # noqa: FBT001
    """The two cases that an idempotent step must take alike."""
    s3 = client_of(seeded, "s3")
    key = f"cut/{kind}"
    seeded.faults.append(Fault(kind, caller="admin", service="s3", action="PutObject"))

    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket="bucket", Key=key, Body=b"x")

    assert (s3.list_objects_v2(Bucket="bucket", Prefix=key)["KeyCount"] == 1) is arrives


@pytest.mark.parametrize("kind", ["killed", "timed_out"])
def test_a_function_ends_after_its_deed_and_hears_nothing(kind: Any, seeded: Wire) -> None:
    """Who it is and how it ends is told to whoever runs the functions."""
    ended: list[tuple[str, str]] = []
    seeded.ends(lambda caller, how: ended.append((caller, how)))
    s3 = client_of(seeded, "s3")
    seeded.faults.append(Fault(kind, caller="admin", service="s3", action="PutObject"))

    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket="bucket", Key=f"ended/{kind}", Body=b"x")

    assert ended == [("admin", kind)]
    assert s3.list_objects_v2(Bucket="bucket", Prefix=f"ended/{kind}")["KeyCount"] == 1


def test_a_slow_call_meets_the_clients_own_timeout(wire: Wire) -> None:
    """Real seconds, because the SDK's timeouts are real."""
    wire.faults.append(Fault("slow", service="ssm", seconds=0.6))
    keys, make = wire.credentials(ADMIN, "admin"), boto3.client
    ssm = make(
        "ssm", endpoint_url=wire.aws_url, region_name="us-east-1", aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key, config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}),
    )  # fmt: skip

    with pytest.raises(BotoCoreError):
        ssm.get_parameters(Names=["/a"])


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_is_judged_and_the_record_holds_no_secret_of_it(
    version: str, seeded: Wire, tmp_path: Path
) -> None:
    """Signature version 2 too: its key stands elsewhere. Query, signatures and bodies stay out of the record."""
    s3 = client_of(seeded, "s3", GUEST, signature=version)
    urls = [s3.generate_presigned_url(f"{do}_object", {"Bucket": "bucket", "Key": "reports/1.json"}) for do in DO]

    statuses = [urllib3.request(method, url).status for method, url in zip(("GET", "PUT"), urls, strict=True)]

    assert statuses == [200, 403]
    assert lines(tmp_path)[-1]["resource"] == "arn:aws:s3:::bucket/reports/1.json"
    text = (tmp_path / "wire.jsonl").read_text()
    assert "Signature" not in text
    assert "X-Amz" not in text


def test_a_call_inside_the_process_is_judged_and_recorded_too(wire: Wire, tmp_path: Path) -> None:
    """The engine asks before it invokes a function, without HTTP."""
    machine = {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:f"}

    assert wire.authorize(ADMIN, "RotateAmi", "lambda", "Invoke", machine) is None
    assert "lambda:InvokeFunction" in (wire.authorize(GUEST, "RotateAmi", "lambda", "Invoke", machine) or "")
    assert [line["allowed"] for line in lines(tmp_path)] == [True, False]


def test_a_region_that_is_gone_is_a_broken_service(tmp_path: Path) -> None:
    """boto3 may retry it; the wire stays up."""
    wire = Wire(
        Stopwatch(), "http://127.0.0.1:9", "https://127.0.0.1:9", tmp_path / "none.pem",
        policies=lambda _role: EVERYTHING, record=tmp_path / "wire.jsonl", cluster="demo",
    )  # fmt: skip
    wire.start()
    try:
        assert refusal_of(lambda: client_of(wire, "ssm").get_parameters(Names=["/a"]))["Status"] == 500
    finally:
        wire.stop()


def test_throughput(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls that the wire refuses: its own cost, without moto's."""
    key = wire.credentials(GUEST, "guest").access_key
    body = json.dumps({"Names": ["/a"]}).encode()
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={key}/20261123/us-east-1/ssm/aws4_request, S",
        "X-Amz-Target": "AmazonSSM.GetParameters",
    }
    pool = urllib3.connection_from_url(wire.aws_url, maxsize=4)

    began = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        replies = threads.map(lambda _: pool.request("POST", "/", body=body, headers=headers), range(REQUESTS))
        statuses = {reply.status for reply in replies}
    rate = REQUESTS / (time.monotonic() - began)

    with capsys.disabled():
        print(f"\nwire: {rate:.0f} requests/s")
    assert statuses == {400}
    assert rate > FLOOR_PER_SECOND
