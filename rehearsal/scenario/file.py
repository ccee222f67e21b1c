"""Reads a scenario file, and says file and line of whatever is wrong with it.

PyYAML's plain loader forgets where a value stood and silently keeps the last of two equal keys; so the file is
composed into nodes first, which know their line, and every error is looked up in them.
"""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rehearsal.scenario.model import Place, Scenario

MESSAGE_LENGTH = 300
MAX_BRACKETS = 100
"""In each other: PyYAML's scanner looks at every open one at each token, which takes it long over thousands."""
SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"


class ScenarioError(ValueError):
    """The file cannot be rehearsed; the message starts with file and line."""


def load(name: str, folder: Path = SCENARIOS) -> Scenario:
    """The scenario of that name in `folder`, or the file at that path; files it names are read along with it.

    Raises: ScenarioError.
    """
    return parse(*_read(name, folder))


def schema() -> dict[str, Any]:
    """The JSON schema of a scenario file."""
    return Scenario.model_json_schema()


def names(folder: Path = SCENARIOS) -> list[str]:
    """The scenarios that can be rehearsed by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _read(name: str, folder: Path) -> tuple[Path, str]:
    by_name = folder / f"{name}.yaml"
    path = by_name if by_name.is_file() else Path(name)
    try:
        return path, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(names(folder)) or "none"
        raise ScenarioError(f"{name}: no such scenario, and no readable file either (by name: {known})") from error


def parse(path: Path, text: str) -> Scenario:
    """The scenario in `text`, which came from `path`.

    Raises: ScenarioError.
    """
    if max(accumulate((letter in "[{") - (letter in "]}") for letter in text), default=0) > MAX_BRACKETS:
        raise ScenarioError(f"{path}:1: more than {MAX_BRACKETS} brackets stand in each other")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(f"{path}:{line}: {error.problem or error}") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        # PyYAML's reader and constructors raise whatever they stumble over, of `!!int ''` and its like.
        raise ScenarioError(f"{path}:1: not YAML: {error!r}"[:MESSAGE_LENGTH]) from error
    if not isinstance(root, yaml.MappingNode):
        raise ScenarioError(f"{path}:1: a scenario is a mapping with the keys name, cluster, zones, releases, groups …")
    _refuse_repeated_keys(root, path)
    _read_named_files(data, root, path)
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError(_explain(error, root, path)) from error


def _refuse_repeated_keys(node: yaml.Node, path: Path) -> None:
    seen: set[str] = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in seen:
            raise ScenarioError(f"{path}:{key.start_mark.line + 1}: {key.value} is there twice")
        seen.add(key.value)
        _refuse_repeated_keys(value, path)
    for item in node.value if isinstance(node, yaml.SequenceNode) else ():
        _refuse_repeated_keys(item, path)


def _read_named_files(data: dict[str, Any], root: yaml.Node, path: Path) -> None:
    """Put the content where a file is named, so that a missing one is found before anything is started."""
    if isinstance(data.get("policy"), str):
        data["policy"] = _named(data["policy"], _line(root, ("policy",)), path)
    timeline = data["timeline"] if isinstance(data.get("timeline"), list) else []
    places: list[tuple[Any, Place]] = [(data.get("trigger"), ("trigger", "event"))]
    places += [(item, ("timeline", i, "event")) for i, item in enumerate(timeline)]
    for holder, where in places:
        if isinstance(holder, dict) and isinstance(holder.get("event"), str):
            line = _line(root, where)
            try:
                holder["event"] = json.loads(_named(holder["event"], line, path))
            except json.JSONDecodeError as error:
                raise ScenarioError(f"{path}:{line}: {holder['event']} is not JSON: {error}") from error


def _named(name: str, line: int, path: Path) -> str:
    """The text of a file beside the scenario, or one named from the top of the project."""
    for folder in (path.parent, SCENARIOS.parent):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise ScenarioError(f"{path}:{line}: no file {name!r} beside the scenario or in the project")


def _explain(error: ValidationError, root: yaml.Node, path: Path) -> str:
    lines = []
    for item in error.errors(include_url=False):
        where = tuple(item.get("ctx", {}).get("path", item["loc"]))
        key = ".".join(str(step) for step in where) or "scenario"
        message = "unknown key" if item["type"] == "extra_forbidden" else item["msg"]
        lines.append(f"{path}:{_line(root, where)}: {key}: {message}")
    return "\n".join(dict.fromkeys(lines))


def _line(node: yaml.Node, where: Place) -> int:
    """The line of the deepest part of `where` that the file has: a missing key is reported where it should stand."""
    line = node.start_mark.line + 1
    for step in where:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == step]
            if not found:  # pydantic names the arms of a union in its path; they are no keys of the file
                continue
            line, node = found[-1][0].start_mark.line + 1, found[-1][1]
    return line
