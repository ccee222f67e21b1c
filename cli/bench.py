"""`gpuops bench`: measure something and say whether it keeps its limit."""

import importlib
import json
import pkgutil
from typing import Annotated

import typer

import bench
from cli.output import answer, give_up, only_the_result


def command(
    name: Annotated[str, typer.Argument(help="What to measure, such as coldstart.", metavar="NAME")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON object on one line.")] = False,
) -> None:
    """Measure something, print one JSON object, and exit 0 only when its limits are met."""
    known = sorted(module.name for module in pkgutil.iter_modules(bench.__path__))
    if name not in known:
        give_up(f"no bench named {name}; there are: {', '.join(known)}", as_json=as_json)
    with only_the_result(as_json=as_json):
        measured = getattr(importlib.import_module(f"bench.{name}"), name)()
    if as_json:
        answer(measured)
    else:
        print(json.dumps(measured, indent=2))
    raise typer.Exit(0 if measured.get("met", True) else 1)
