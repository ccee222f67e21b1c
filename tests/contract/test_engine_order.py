"""Order: racing executions tell the same story in each run, also beside threads that burn the processor."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.contract.engine_world import CHILD, EPOCH, World, call, chain, give, wait, world

Story = list[tuple[float, str, str | None, str]]


def test_two_runs_tell_the_same_story() -> None:
    """Two parents race for a shared counter through children, retries and callbacks of the same instants."""
    calm = story("1")
    with burners(1):
        busy = story("1")
    assert len(calm) > 80
    assert calm == busy
    assert calm != story("2")


def story(seed: str) -> Story:
    """What happened, in order: time, execution, state, status."""
    with world(seed=seed) as here:
        race(here)
        return [(p.at - EPOCH, p.name, p.state, p.status) for p in here.story]


def race(here: World) -> None:
    """Two executions of a machine that rolls six nodes, three at a time; each node claims, drains and retires."""
    taken: list[str] = []

    def claim(event: dict[str, Any]) -> dict[str, Any]:
        taken.append(event["node"])
        if len(taken) % 4 == 0:
            raise RuntimeError("busy")
        here.clock.call_later(len(taken) % 3, f"callback/{len(taken)}", lambda: taken.append("callback"))
        here.clock.sleep(0.2, f"charge/{event['node']}")
        return {**event, "rank": len(taken)}

    here.functions["claim"] = claim
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 3, "MaxAttempts": 9, "JitterStrategy": "FULL"}]
    loop = {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.input.rank % 3 = 0 %}", "Next": "W"}],
        "Default": "D",
    }
    node = {
        "Claim": call("claim", Retry=retry),
        "Again?": loop,
        "W": wait(5),
        "R": call("claim", Retry=retry),
        "D": give(1),
    }
    child = here.machine("node", chain(node))
    start = {"StateMachineArn": child, "Input": {"node": "{% $states.input %}"}}
    items = {"Type": "Map", "Items": "{% $states.input.nodes %}", "MaxConcurrency": 3}
    task = {"Type": "Task", "Resource": CHILD, "Arguments": start, "Output": 1}
    parent = here.machine("roll", chain({"M": {**items, "ItemProcessor": chain({"S": task})}}))
    with here.clock.lease("both"):
        arns = [here.start(parent, {"nodes": [f"{group}{i}" for i in range(6)]}) for group in "ab"]
    assert [here.result(arn).status for arn in arns] == ["SUCCEEDED"] * 2


@contextmanager
def burners(count: int) -> Iterator[None]:
    """Threads that compete for the interpreter lock."""
    stop = threading.Event()

    def burn() -> None:
        while not stop.is_set():
            sum(range(500))

    threads = [threading.Thread(target=burn, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
