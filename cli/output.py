"""One way to answer a program and to tell a person: results on standard output, all else on standard error."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import typer

COULD_NOT_TRY = 2


def say(line: str) -> None:
    """A line for a person."""
    print(line, file=sys.stderr, flush=True)


def answer(result: Mapping[str, Any]) -> None:
    """The one JSON object of --json."""
    print(json.dumps(result), flush=True)


def give_up(message: str, *, as_json: bool) -> NoReturn:
    """End with exit code 2: what was asked for could not even be tried."""
    say(message)
    if as_json:
        answer({"status": "error", "error": message})
    raise typer.Exit(COULD_NOT_TRY)


@contextlib.contextmanager
def only_the_result(*, as_json: bool) -> Iterator[None]:
    """While it lasts, prints of libraries cannot get between a program and its JSON object."""
    if not as_json:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield
