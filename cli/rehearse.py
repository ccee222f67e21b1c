"""`gpuops rehearse`: run a scenario on this machine and exit by whether everything held.

What a rehearsal needs is imported late, so that --help, --schema and a bad file are answered at once.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.output import answer, give_up, only_the_result, say
from rehearsal import scenario as scenarios
from rehearsal.report import Result

WHAT_IS_REAL = Path(scenarios.SCENARIOS.parent, "rehearsal", "what_is_real.md")


def command(
    name: Annotated[
        str, typer.Argument(help="A scenario by name, or the path of a file.", metavar="NAME|PATH")
    ] = "roll",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
    pace: Annotated[
        float | None, typer.Option(min=0.001, help="At most so many simulated seconds in a second.")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Another seed than the scenario's own.")] = None,
    out: Annotated[Path, typer.Option(help="Where the report is written, in a folder of its own.")] = Path("out"),
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a scenario and stop.")] = False,
    what_is_real: Annotated[bool, typer.Option("--what-is-real", help="Say what is real and stop.")] = False,
) -> None:
    """Run a scenario on this machine, and exit 0 only when everything held."""
    if schema:
        print(json.dumps(scenarios.schema(), indent=None if as_json else 2))
    elif what_is_real:
        print(WHAT_IS_REAL.read_text(encoding="utf-8"))
    else:
        _rehearse(_load(name, seed, as_json=as_json), out, pace, as_json=as_json)


def _load(name: str, seed: str | None, *, as_json: bool) -> scenarios.Scenario:
    try:
        scenario = scenarios.load(name)
    except scenarios.ScenarioError as error:
        give_up(str(error), as_json=as_json)
    return scenario if seed is None else scenario.model_copy(update={"seed": seed})


def _rehearse(scenario: scenarios.Scenario, out: Path, pace: float | None, *, as_json: bool) -> None:
    from cli.live import LiveView  # noqa: PLC0415 - the same
    from rehearsal.run import rehearse  # noqa: PLC0415 - it imports moto, which takes seconds

    folder = out / scenario.name
    folder.mkdir(parents=True, exist_ok=True)
    with only_the_result(as_json=as_json), LiveView(Console(stderr=True)) as view:
        result = rehearse(scenario, out=folder, pace=pace, view=view)
    summarise(result)
    if as_json:
        answer(result.to_json())
    raise typer.Exit(0 if result.status == "passed" else 1)


def summarise(result: Result) -> None:
    """Say how it ended: the machines, what the observer saw, and everything that went wrong."""
    ended = Counter((e.machine, e.status) for e in result.executions)
    for (machine, status), count in sorted(ended.items()):
        say(f"  {machine:14} {count:3} {status}")
    seen = {key: value for key, value in result.observed.items() if key != "violations"}
    say("  observed: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in seen.items()))
    for violation in result.observed["violations"]:
        say(f"  VIOLATION {violation['rule']}: {violation['what']}")
    for what in result.unmet:
        say(f"  EXPECTED {what}")
    simulated, wall = result.simulated_seconds / 3600, result.wall_seconds
    say(f"{result.scenario}: {result.status}, {simulated:.1f} simulated hours in {wall:.0f} s; report: {result.report}")
