"""`gpuops bench`: measure something and say whether it keeps its limit."""

import importlib
import json
import pkgutil
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

import bench
from cli.output import answer, give_up, only_the_result

OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""What else is given goes to the bench: its options are the parameters of its function."""


def command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to measure, such as roll or plan.", metavar="NAME")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON object on one line.")] = False,
) -> None:
    """Measure something, print one JSON object, and exit 0 only when its limits are met.

    What a bench takes follows its name, such as `roll --nodes 20,100`.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if not module.ispkg)
    if name not in known:
        give_up(f"no bench named {name}; there are: {', '.join(known)}", as_json=as_json)
    with only_the_result(as_json=as_json):
        measured = _run(name, getattr(importlib.import_module(f"bench.{name}"), name), context.args)
    if as_json:
        answer(measured)
    else:
        print(json.dumps(measured, indent=2))
    raise typer.Exit(0 if measured.get("met", True) else 1)


def _run(name: str, measure: Callable[..., dict[str, Any]], given: Sequence[str]) -> dict[str, Any]:
    """Call it with its own options; ends the command where there is no such option."""
    own = typer.Typer(add_completion=False)
    own.command()(measure)
    asked = typer.main.get_command(own)
    result: dict[str, Any] = asked.main(args=list(given), prog_name=f"gpuops bench {name}", standalone_mode=False)
    return result
