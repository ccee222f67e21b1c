"""`gpuops remediate`: a node, an Xid or a kind, and what was seen become the input that an alarm's would be."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

import cli.remediate
from cli.main import app
from gpuops.domain.faults.answers import Order
from tests.fakes.events import INSTANCE, NODE, UUID

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What was started, of which machine; it ends as its node's name says."""
    found: list[tuple[str, Any]] = []

    def start(machine: str, given: str, stack: str, *_: Any) -> str:
        if stack == "none":
            raise LookupError(f"no stack {stack}")
        found.append((machine, json.loads(given)))
        return f"arn:{machine}"

    def follow(_arn: str, _states: Any) -> dict[str, str]:
        failed = found[-1][1]["fault"]["node"] == "bad"
        return {"status": "FAILED", "error": "Unhealthy", "cause": "still"} if failed else {"status": "SUCCEEDED"}

    monkeypatch.setattr(cli.remediate, "client", lambda _service: None)
    monkeypatch.setattr(cli.remediate, "start", start)
    monkeypatch.setattr(cli.remediate, "follow", follow)
    return found


def run(*arguments: str) -> Any:
    """The command's result."""
    return CliRunner().invoke(app, ["remediate", *arguments])


def test_the_order_is_one_that_the_machine_takes() -> None:
    """An instance's id is told from a Node's name; words of a person's are bounded like anybody's."""
    by_node = Order.model_validate_json(cli.remediate.order({"node": NODE, "uuid": UUID}, 79, "hardware", "x\ny", NOW))
    by_id = Order.model_validate_json(cli.remediate.order({"instance": INSTANCE}, None, "thermal", "", NOW))

    assert (by_node.fault.node, by_node.fault.uuid, by_node.fault.kind, by_node.fault.xid) == (NODE, UUID, "xid", 79)
    assert by_node.fault.evidence == ("by hand: x y",)
    assert (by_id.fault.instance, by_id.fault.kind, by_id.fault.xid) == (INSTANCE, "thermal", None)


def test_it_is_started_and_followed(started: list[tuple[str, Any]]) -> None:
    """Exit by the outcome."""
    good = run(NODE, "--xid", "79", "--watch", "--json")
    bad = run("bad", "--xid", "48", "--watch")
    unwatched = run(INSTANCE, "--kind", "link")

    assert (good.exit_code, bad.exit_code, unwatched.exit_code) == (0, 1, 0)
    assert json.loads(good.stdout.splitlines()[-1]) == {"execution": "arn:remediate_gpu", "status": "SUCCEEDED"}
    assert "cause: still" in bad.output
    assert [machine for machine, _ in started] == ["remediate_gpu"] * 3
    assert started[2][1]["fault"]["instance"] == INSTANCE


@pytest.mark.parametrize("arguments", [(NODE, "--kind", "haunted"), (NODE, "--stack", "none"), (NODE, "--xid", "0")])
def test_what_cannot_be_tried_exits_two(started: list[tuple[str, Any]], arguments: tuple[str, ...]) -> None:
    """Nothing is started."""
    assert run(*arguments).exit_code == 2
    assert started == []
