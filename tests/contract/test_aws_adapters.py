"""The small adapters, against moto in process.

Covered: policies (latest, by version, unversioned bucket), reports, the bus, executions, GPU counts.
"""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from gpuops.adapters.bus import Bus
from gpuops.adapters.executions import Executions
from gpuops.adapters.policies import Policies
from gpuops.adapters.reports import Reports
from gpuops.domain.errors import Invalid, Unavailable
from tests.fakes.rotation import ARN, POLICY


def client(service: str) -> Any:
    """boto3 against moto."""
    sdk: Any = boto3
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    return sdk.client(service, region_name="us-east-1", **keys)


@pytest.fixture(autouse=True)
def _region() -> Iterator[None]:
    """A fresh region."""
    with mock_aws():
        yield


def test_a_policy_is_read_at_its_newest_and_by_its_version() -> None:
    """A run keeps its rules while somebody uploads new ones."""
    s3 = client("s3")
    s3.create_bucket(Bucket="policy")
    s3.put_bucket_versioning(Bucket="policy", VersioningConfiguration={"Status": "Enabled"})
    policies = Policies(s3, "policy", "fleet.yaml")
    s3.put_object(Bucket="policy", Key="fleet.yaml", Body=POLICY.encode())
    first = policies.latest()
    s3.put_object(Bucket="policy", Key="fleet.yaml", Body=b"groups: 5")

    assert policies.at(first.version) == first
    with pytest.raises(Invalid, match=r"fleet\.yaml: line 1: `groups` must be a list"):
        policies.latest()


def test_a_policy_that_is_missing_binary_or_unversioned_is_bad_input() -> None:
    """One clear reason each."""
    s3 = client("s3")
    s3.create_bucket(Bucket="plain")
    with pytest.raises(Invalid, match=r"read policy s3://plain/fleet\.yaml: NoSuchKey"):
        Policies(s3, "plain", "fleet.yaml").latest()
    s3.put_object(Bucket="plain", Key="fleet.yaml", Body=POLICY.encode())
    with pytest.raises(Invalid, match="plain keeps no versions"):
        Policies(s3, "plain", "fleet.yaml").latest()
    s3.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="plain", Key="fleet.yaml", Body=b"\xff\xfe")
    with pytest.raises(Invalid, match="not UTF-8"):
        Policies(s3, "plain", "fleet.yaml").latest()


def test_a_report_says_what_it_is() -> None:
    """A browser opens it from the bucket."""
    s3 = client("s3")
    s3.create_bucket(Bucket="reports")
    Reports(s3, "reports").write("reports/x.html", "<p>ä</p>", "text/html")

    stored = s3.get_object(Bucket="reports", Key="reports/x.html")

    assert (stored["Body"].read().decode(), stored["ContentType"]) == ("<p>ä</p>", "text/html; charset=utf-8")


def test_a_report_that_is_there_can_be_kept() -> None:
    """Whoever knows less than the run itself asks for that."""
    s3 = client("s3")
    s3.create_bucket(Bucket="reports")
    for text in ("first", "second"):
        Reports(s3, "reports").write("reports/x.html", text, "text/html", keep=True)

    assert s3.get_object(Bucket="reports", Key="reports/x.html")["Body"].read() == b"first"


class FullBus:
    """EventBridge answers 200 and still takes nothing."""

    def put_events(self, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803 - boto3's name
        """Refuse the entry in its own way."""
        assert json.loads(Entries[0]["Detail"]) == {"group": "gpu"}
        return {"FailedEntryCount": 1, "Entries": [{"ErrorMessage": "slow down"}]}


def test_an_event_that_the_bus_did_not_take_is_tried_again() -> None:
    """PutEvents succeeds as a call even when no entry was taken."""
    Bus(client("events"), "default").put_release({"group": "gpu"})
    Bus(client("events"), "default").put_escalation({"group": "gpu"})
    with pytest.raises(Unavailable, match="slow down"):
        Bus(FullBus(), "default").put_release({"group": "gpu"})
    with pytest.raises(Unavailable, match="slow down"):
        Bus(FullBus(), "default").put_escalation({"group": "gpu"})


def test_an_execution_runs_ends_or_is_forgotten() -> None:
    """Unknown to Step Functions means: it does not run."""
    states = client("stepfunctions")
    definition = json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}})
    role = "arn:aws:iam::123456789012:role/r"
    machine = states.create_state_machine(name="m", definition=definition, roleArn=role)["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine)["executionArn"]
    executions = Executions(states)

    assert executions.find(arn).running
    states.stop_execution(executionArn=arn)
    ended = executions.find(arn)
    assert (ended.running, ended.ended is None) == (False, False)
    assert not executions.find(ARN.replace("rotate_ami", "m") + "gone").running
