"""Clients that need no socket.

Covered: an answer and an error are those that come over a socket, a body as well; what such a call begins descends from
nobody, as when a thread of the server begins it; a client outlives its region and asks the one that is up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rehearsal.clock import Clock
from rehearsal.lambdas import Lambdas
from rehearsal.region.server import Region

KEYS = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}


def both(world: Any, service: str) -> tuple[Any, Any]:
    """A client over a socket, and one without."""
    make: Any = boto3.client
    return make(service, endpoint_url=world.region.url, **KEYS), world.client(service)


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what differs between any two answers."""
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def test_an_answer_is_the_one_that_comes_over_a_socket(world: Any) -> None:
    """Of a service that speaks XML, and of one that speaks JSON and tells where it is."""
    far, near = both(world, "iam")
    near.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    assert told(near.get_role(RoleName="r")) == told(far.get_role(RoleName="r"))

    far, near = both(world, "sqs")
    near.create_queue(QueueName="q")
    assert told(near.get_queue_url(QueueName="q")) == told(far.get_queue_url(QueueName="q"))


def test_an_error_is_the_one_that_comes_over_a_socket(world: Any) -> None:
    """Its code, its words and its status."""
    said = []
    for client in both(world, "iam"):
        with pytest.raises(ClientError) as caught:
            client.get_role(RoleName="nobody")
        said.append((caught.value.response["Error"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]))

    assert said[0] == said[1]


def test_a_body_goes_both_ways(world: Any) -> None:
    """With a key that has to be quoted."""
    far, near = both(world, "s3")
    near.create_bucket(Bucket="bucket")
    near.put_object(Bucket="bucket", Key="a b/ü.txt", Body=b"\0\xff")

    assert [client.get_object(Bucket="bucket", Key="a b/ü.txt")["Body"].read() for client in (far, near)] == [
        b"\0\xff"
    ] * 2


def test_what_a_call_begins_descends_from_nobody(world: Any) -> None:
    """The caller's own name and leases are back afterwards."""
    seen: list[object] = []
    local = world.clock.baton.local
    mine = list(local.leases)

    with world.clock.apart():
        seen += [local.lineage, list(local.leases)]

    assert seen == [None, []]
    assert mine
    assert local.leases == mine


def test_a_client_asks_the_region_that_is_up(world: Any, tmp_path: Path) -> None:
    """The next one is empty."""
    client = world.client("iam")
    client.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    world.region.stop()
    clock = Clock(0)
    following = Region(clock, Lambdas(clock, lambda: world.wire, tmp_path / "following"))

    following.start()

    assert client.list_roles()["Roles"] == []
    following.stop()
