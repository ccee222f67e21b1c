"""Messages to people and answers to waiting executions: the adapter that functions use, over the rehearsal's engine.

Covered: what is published; an answer that lets an execution go on or ends its wait; who answers too late, twice, or to
nobody; requests and wishes as the table keeps them.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from gpuops.adapters.people import People
from gpuops.adapters.wishes import Wishes
from gpuops.domain.rotation.approval import Approved, Notice
from gpuops.domain.rotation.wish import GlobalStop, Pending, Wish
from tests.contract.engine_world import LAMBDA, Result, World, catch, chain, client, world
from tests.fakes.rotation import NOW
from tests.fakes.world import table

TOPIC = "arn:aws:sns:us-east-1:123456789012:people"
ANSWER = Approved(by="arn:ann", at=NOW, reason="tested")
ASK = {
    "Type": "Task",
    "Resource": f"{LAMBDA}.waitForTaskToken",
    "Arguments": {"FunctionName": "ask", "Payload": {"token": "{% $states.context.Task.Token %}"}},
    "TimeoutSeconds": 3600,
    "End": True,
    **catch("States.ALL", to="Refused"),
}
REFUSED = {"Type": "Fail", "Error": "{% $states.input.error %}", "Cause": "{% $states.input.cause %}"}


@pytest.fixture
def here() -> Iterator[World]:
    """An empty region."""
    with world() as made:
        yield made


@pytest.fixture
def people(here: World) -> People:
    """Whoever is behind one topic."""
    client("sns").create_topic(Name="people")
    return People(client("sns"), client("stepfunctions"), TOPIC, "gpuops")


def asked(here: World, *answers: Any) -> Result:
    """An execution that asks; each of these gets its token at once."""

    def ask(payload: Any) -> Any:
        for answer in answers:
            answer(payload["token"])
        return {}

    here.functions["ask"] = ask
    machine = here.machine("asks", chain({"Ask": ASK, "Refused": REFUSED}))
    return here.result(here.start(machine))


def test_an_approval_is_the_result_of_the_task(here: World, people: People) -> None:
    """With who gave it."""
    result = asked(here, lambda token: people.approve(token, ANSWER))

    assert Approved.model_validate(result.output) == ANSWER


def test_a_refusal_is_the_error_refused_with_its_words(here: World, people: People) -> None:
    """The machine's own catch makes of it what it makes of any error of ours."""
    result = asked(here, lambda token: people.refuse(token, "rejected by arn:ann"))

    assert (result.status, result.error, result.cause) == ("FAILED", "Refused", "rejected by arn:ann")


def test_only_the_first_answer_counts_and_the_second_is_told_so(here: World, people: People) -> None:
    """Two people read the same message; and a token of nobody's opens nothing."""
    told: list[bool] = []
    tokens: list[str] = []

    def first(token: str) -> None:
        tokens.append(token)
        told.append(people.approve(token, ANSWER))

    assert asked(here, first).status == "SUCCEEDED"
    told.append(people.approve(tokens[0], ANSWER))
    told.append(people.approve("a token of nobody's", ANSWER))

    assert told == [True, False, False]


def test_a_message_is_published_with_its_subject(here: World, people: People) -> None:
    """A subject takes a hundred characters of ASCII, and a longer one would be refused."""
    people.tell(Notice.of("gpuops: approve " + "ü" * 200, ["first", "second"]))

    from moto.sns.models import sns_backends  # noqa: PLC0415 - after the region is there

    (message,) = sns_backends["123456789012"]["us-east-1"].topics[TOPIC].sent_notifications
    assert message[1] == "first\nsecond\n"
    assert str(message[2]).startswith("gpuops: approve ?")
    assert len(str(message[2])) == 100


def test_requests_and_wishes_come_back_as_they_went(here: World) -> None:
    """A repeated request takes the place of the first, and a stop that of the one before."""
    wishes = Wishes(table())
    pending = Pending(run="run-1", token="t", at=NOW, expires=NOW + timedelta(hours=1))  # noqa: S106 - no secret
    wish = Wish(run="run-1", wish="pause", by="arn:ann", at=NOW)

    assert (wishes.pending("run-1"), wishes.is_told("run-1"), wishes.wish("run-1"), wishes.stop()) == (
        None,
        False,
        None,
        None,
    )
    wishes.ask(pending)
    wishes.ask(again := pending.model_copy(update={"token": "u"}))
    wishes.note_told(again)
    wishes.write(wish)
    for reason in ("first", "second"):
        wishes.write_stop(GlobalStop(by="arn:bob", at=NOW, reason=reason))

    assert (wishes.pending("run-1"), wishes.is_told("run-1"), wishes.wish("run-1")) == (again, True, wish)
    stop = wishes.stop()
    assert stop is not None
    assert stop.reason == "second"
