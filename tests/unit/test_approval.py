"""Approval by task token: what is asked and how, who may answer, and that the token is nowhere it could be read.

Covered: when a run asks and when not; the message and its commands; one message whatever is retried; no topic; the
answers, late, double and for nobody; cancelling while it is asked; words about all runs.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from pydantic import ValidationError

from gpuops import planning
from gpuops.adapters.executions import Executions
from gpuops.adapters.people import People
from gpuops.adapters.wishes import Wishes
from gpuops.domain.errors import Invalid, Refused
from gpuops.domain.rotation.approval import Approved
from gpuops.domain.rotation.cost import estimate_surge, parse_prices, prices
from gpuops.domain.rotation.lock import Execution
from gpuops.domain.rotation.messages import Begun, RotationPlan
from gpuops.domain.rotation.wish import Pending, Wish
from tests.fakes.apps import load_app
from tests.fakes.rotation import NOW, POLICY, run
from tests.fakes.steps import old_world, plan
from tests.fakes.world import World

ASK, STEER, BEGIN = (load_app(name) for name in ("request_approval", "steer_run", "begin_rotation"))
TOKEN = "AQDEAAAAKgAAAAMAAAAAAAAAAX"  # noqa: S105 - stands for a right to answer
TOPIC = "arn:aws:sns:us-east-1:123456789012:people"
ASKS = POLICY.replace("mode: apply", "mode: apply, approval: {required: true, expires_hours: 48}")
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:rotate_ami"
REPAIRS = MACHINE.replace("rotate_ami", "remediate_gpu")


class Repairing(World):
    """Of the same name there is a repair, and no roll."""

    def of_machine(self, machine: str, name: str) -> Execution:
        """See Executions."""
        return super().of_machine(machine, name) if machine == REPAIRS else Execution(running=False, ended=None)


@dataclass
class Aws:
    """SNS and Step Functions as far as they talk to people; `gone` are tokens that nobody waits with any more."""

    said: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    gone: str | None = None

    def publish(self, **message: str) -> None:
        """See SNS."""
        self.said.append(message)

    def send_task_success(self, **answer: str) -> None:
        """See Step Functions."""
        self._answer("success", answer)

    def send_task_failure(self, **answer: str) -> None:
        """See Step Functions."""
        self._answer("failure", answer)

    def _answer(self, kind: str, answer: dict[str, str]) -> None:
        if self.gone:
            raise ClientError({"Error": {"Code": self.gone, "Message": "gone"}}, "SendTask")
        self.answers.append((kind, answer))


class Here(World):
    """A world with people in it."""

    aws: Aws
    people: People


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """Three old nodes of a group whose policy asks; run-1 is under way."""
    monkeypatch.setenv("ROTATE_AMI_MACHINE_ARN", MACHINE)
    monkeypatch.setenv("REMEDIATE_GPU_MACHINE_ARN", REPAIRS)
    with mock_aws():
        base = old_world()
        here = Here(groups=base.groups, store=base.store, connected=base.connected, policy=ASKS)
        here.aws = Aws()
        here.people = People(here.aws, here.aws, TOPIC, "gpuops")
        here.running.add(run().execution)
        yield here


def begin(world: World, approval: Any = None, **more: Any) -> Begun:
    """Begin the run that `plan` planned."""
    planned = plan(world)
    given = planned.model_copy(update=more)
    request = BEGIN.BeginRotation(run=planned.run, plan=given, approval=approval)
    answer: Begun = BEGIN.begin(request, NOW, world)
    return answer


def ask(world: World, token: str = TOKEN) -> Any:
    """Ask, as the state machine does after begin_rotation."""
    planned = plan(world)
    request = {"run": planned.run, "plan": planned, "begin": begin(world).model_dump(), "token": token}
    return ASK.ask(ASK.RequestApproval.model_validate(request), NOW, world)


def steer(world: World, wish: str, **more: Any) -> Any:
    """One word about the run."""
    of = {} if wish in {"stop", "start"} else {"run": "run-1"}
    return STEER.steer(STEER.SteerRun.model_validate({"wish": wish, "by": "arn:ann", **of, **more}), NOW, world)


def test_a_run_asks_once_its_plan_is_settled_and_goes_on_with_the_answer(world: Here) -> None:
    """Before the night in which it may run; not while a hold lasts, for the release may yet be withdrawn."""
    night = {"status": "wait", "until": NOW + timedelta(hours=9)}

    asked = begin(world)
    assert (asked.status, asked.expires_seconds, asked.expires) == ("ask", 172_800, NOW + timedelta(hours=48))
    assert [begin(world, **night, settled=settled).status for settled in (True, False)] == ["ask", "wait"]
    approved = Approved(by="arn:ann", at=NOW)
    assert begin(world, approved).status == "go"
    assert begin(world, approved, **night).status == "wait"


def test_a_run_whose_policy_does_not_ask_begins(world: Here) -> None:
    """The default."""
    world.policy = POLICY

    assert begin(world).status == "go"


def test_the_message_tells_the_plan_its_cost_and_how_to_answer(world: Here) -> None:
    """Whoever reads it needs nothing else, and cannot answer with what is in it alone."""
    ask(world)

    (message,) = world.aws.said
    assert message["TopicArn"] == TOPIC
    assert message["Subject"] == "gpuops: approve gpu to 1.36.3-20261101?"
    for line in (
        "nodes     3 to replace",
        "strategy  surge, 1 at a time",
        "surge     about 1.5 GPU-hours, about $0.79 (g4dn.xlarge on demand in us-east-1",
        "window    at once: the group has none",
        "Answer before 2026-11-25 10:00 UTC",
        "  gpuops approve run-1\n",
        "  gpuops approve run-1 --reject\n",
        "  sam remote invoke SteerRunFunction --stack-name gpuops --event '{",
        """'{"run": "run-1", "wish": "reject", "by": "YOUR NAME"}'""",
    ):
        assert line in message["Message"], message["Message"]
    assert TOKEN not in json.dumps(message)


def test_the_token_is_in_its_item_and_nowhere_else(world: Here) -> None:
    """Not in what the function answers, so not in the log or the journal; not in what it prints of its request."""
    answer = ask(world)

    pending = world.wishes.pending("run-1")
    assert pending is not None
    assert pending.token == TOKEN
    assert TOKEN not in repr(pending) + answer.model_dump_json() + repr(answer)


def test_a_retried_request_exchanges_the_token_and_asks_nobody_twice(world: Here) -> None:
    """The state machine makes a new token for each attempt: only the last one opens the wait."""
    ask(world, "first")
    ask(world, "second")

    steer(world, "approve")
    assert len(world.aws.said) == 1
    assert world.aws.answers[0][1]["taskToken"] == "second"


def test_without_a_topic_nothing_is_approved_by_silence(world: Here) -> None:
    """The run ends; the message names what is missing."""
    world.people = People(world.aws, world.aws, "", "gpuops")

    with pytest.raises(Refused, match="no topic: give it ApprovalTopicArn or AlarmTopicArn"):
        ask(world)


def test_an_approval_goes_to_the_execution_with_who_gave_it(world: Here) -> None:
    """It is the result of the task, and so part of the run's data."""
    ask(world)

    told = steer(world, "approve", reason="tested on staging")

    assert (told.status, told.reason) == ("approved", "approved by arn:ann: tested on staging")
    kind, answer = world.aws.answers[0]
    assert (kind, answer["taskToken"]) == ("success", TOKEN)
    assert Approved.model_validate_json(answer["output"]) == Approved(by="arn:ann", at=NOW, reason="tested on staging")


@pytest.mark.parametrize(("wish", "said"), [("reject", "rejected"), ("cancel", "cancelled")])
def test_a_no_ends_the_wait_as_refused_with_who_and_why(world: Here, wish: str, said: str) -> None:
    """A cancellation too: nobody should have to answer a request of a run that is over."""
    ask(world)

    steer(world, wish, reason="not this week")

    kind, answer = world.aws.answers[0]
    assert (kind, answer["error"], answer["cause"]) == ("failure", "Refused", f"{said} by arn:ann: not this week")


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_late_answer_is_told_so(world: Here, code: str) -> None:
    """Expired, answered by somebody else, or aborted meanwhile."""
    ask(world)
    world.aws.gone = code

    with pytest.raises(Refused, match="waits for no answer any more"):
        steer(world, "approve")
    assert steer(world, "cancel").status == "cancelled"


def test_nobody_steers_what_is_not_there(world: Here) -> None:
    """A run that has ended, one that never was, one that asked for nothing."""
    with pytest.raises(Refused, match="asked for no approval"):
        steer(world, "approve")
    world.running.clear()
    for wish in ("approve", "pause", "cancel"):
        with pytest.raises(Refused, match="no run run-1 is under way"):
            steer(world, wish)


def test_nobody_is_told_that_a_run_heard_who_hears_no_more(world: Here) -> None:
    """EKS's update has begun: a wish that was taken would be a promise that nobody can keep."""
    world.wishes.close("run-1", "EKS updates ng, which nobody can stop", NOW)

    for wish in ("pause", "resume", "cancel"):
        with pytest.raises(Refused, match="can be neither paused nor cancelled: EKS updates ng"):
            steer(world, wish)
    assert world.wishes.wish("run-1") is None


def test_a_wish_that_comes_while_a_run_ceases_to_hear_is_not_called_heard(world: Here) -> None:
    """The run may have looked for the last time already."""

    class Meanwhile(Wishes):
        def write(self, wish: Wish) -> bool:
            written = super().write(wish)
            self.close(wish.run, "EKS updates ng, which nobody can stop", NOW)
            return written

    class Racing(Here):
        wishes = property(lambda self: Meanwhile(self.store._table))

    with pytest.raises(Refused, match="neither paused nor cancelled"):
        steer(Racing(groups=world.groups, store=world.store, running=world.running), "cancel")


def test_a_wish_is_written_and_the_last_word_is_a_cancellation(world: Here) -> None:
    """With whether what was replaced is to be replaced back."""
    assert [steer(world, word).status for word in ("pause", "resume", "pause")] == ["paused", "resumed", "paused"]
    steer(world, "cancel", roll_back=True, reason="bad driver")

    with pytest.raises(Refused, match="cancelled already: cancelled by arn:ann: bad driver"):
        steer(world, "resume")
    wish = world.wishes.wish("run-1")
    assert wish == Wish(run="run-1", wish="cancel", by="arn:ann", at=NOW, reason="bad driver", roll_back=True)


def test_a_repair_is_steered_like_a_roll_but_has_nothing_to_roll_back(world: Here) -> None:
    """One function takes every word."""
    repairs = Repairing(groups=world.groups, store=world.store, running=world.running)

    with pytest.raises(Refused, match="nothing to roll back"):
        steer(repairs, "cancel", roll_back=True)
    assert [steer(repairs, word).status for word in ("pause", "cancel")] == ["paused", "cancelled"]
    repairs.running.clear()
    with pytest.raises(Refused, match="no run run-1 is under way"):
        steer(repairs, "pause")


def test_a_word_about_all_runs_stops_and_starts_them(world: Here) -> None:
    """And tells what stood before."""
    assert steer(world, "start").reason == "nothing was stopped"
    assert steer(world, "stop", reason="incident").stop is None
    again = steer(world, "stop")
    assert again.stop.reason == "incident"
    assert steer(world, "start").reason == f"lifted the global stop since {NOW.isoformat()} by arn:ann"


@pytest.mark.parametrize(
    "word",
    [
        {"wish": "approve"},
        {"wish": "stop", "run": "run-1"},
        {"wish": "pause", "run": "run-1", "roll_back": True},
        {"wish": "pause", "run": "../run"},
        {"wish": "pause", "run": "run-1", "by": ""},
        {"wish": "forget", "run": "run-1"},
    ],
)
def test_a_word_that_makes_no_sense_is_refused_before_anybody_is_asked(word: dict[str, Any]) -> None:
    """`entry` makes of it an Invalid that names the field."""
    with pytest.raises(ValidationError):
        STEER.SteerRun.model_validate({"by": "arn:ann", **word})


def test_an_execution_is_found_by_the_name_of_its_run() -> None:
    """Of the machine that is asked for, and of no other."""

    class States:
        """Step Functions, which knows one execution."""

        def describe_execution(self, **which: str) -> dict[str, str]:
            """See Step Functions."""
            assert which["executionArn"] == "arn:aws:states:us-east-1:123456789012:execution:rotate_ami:run-7"
            return {"status": "RUNNING"}

    assert Executions(States()).of_machine(MACHINE, "run-7").running


def test_a_surge_is_counted_for_as_long_as_the_roll_takes() -> None:
    """Two at a time halve the time, and cost the same; a canary is a phase of its own."""
    ways = ([(6, 1)], [(6, 2)], [(1, 1), (5, 1)], [(1, 1), (0, 0)])
    hours = [estimate_surge(way, 4, "g5.12xlarge", prices()).gpu_hours for way in ways]

    assert hours == [12.0, 12.0, 12.0, 2.0]
    assert estimate_surge([(6, 1)], 4, "g5.12xlarge", prices()).dollars == pytest.approx(3 * 5.672)


def test_what_is_not_known_or_not_needed_costs_no_dollars() -> None:
    """A price is never guessed, and where old nodes go first there is no node more."""
    unknown, none = estimate_surge([(6, 1)], 8, "p9.huge", prices()), estimate_surge((), 8, "g5.xlarge", prices())

    assert unknown.said == "about 24 GPU-hours (no dollars: the price of p9.huge is not in gpuops' table)"
    assert none.said == "about 0 GPU-hours (no dollars: the group does not grow)"


def test_a_plan_without_nodes_costs_nothing(world: Here) -> None:
    """Its launch template alone is off the target."""
    planned = plan(world).model_copy(update={"nodes": (), "surge": 0})

    assert planning.surge_of(planned, cast("Any", world)).said == "about 0 GPU-hours (no node is replaced)"


@pytest.mark.parametrize(
    "broken", ["{type: a, dollars: 0, source: s}", "{type: a, dollars: 1, source: t}", "{type: a, dollars: 1}"]
)
def test_a_price_needs_a_source_and_an_amount(broken: str) -> None:
    """And each type one price."""
    text = "region: r\nas_of: d\nsources: {{s: u}}\nprices: [{}]"
    fine = "{type: b, dollars: 1, source: s}"

    assert parse_prices(text.format(fine)).hourly("b") == 1
    for rows in (broken, f"{fine}, {fine}"):
        with pytest.raises(Invalid, match=r"prices\.yaml"):
            parse_prices(text.format(rows))


def test_a_request_keeps_its_token_to_itself() -> None:
    """Whoever prints it by mistake prints no right to answer."""
    assert TOKEN not in repr(Pending(run="run-1", token=TOKEN, at=NOW, expires=NOW))


def test_a_plan_can_be_asked_for_as_it_came(world: Here) -> None:
    """What the machine hands on is what the function reads."""
    planned = plan(world)

    assert RotationPlan.model_validate_json(planned.model_dump_json()) == planned
