"""What an EventBridge target receives: the whole event, a part of it, a constant, or a template filled from it.

moto's transformer turns strings into JSON without escaping them and leaves unknown places in the text.
"""

from __future__ import annotations

import json
import re
from typing import Any

_PLACE = re.compile(r"<([A-Za-z0-9_.\-]+)>")


def at_path(event: Any, path: str) -> Any:
    """The value at a `$.a.b[0]` path, or None."""
    for key, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path.removeprefix("$")):
        if index:
            event = event[int(index)] if isinstance(event, list) and int(index) < len(event) else None
        else:
            event = event.get(key) if isinstance(event, dict) else None
    return event


def input_of(target: dict[str, Any], event: dict[str, Any]) -> str:
    """The payload for this target."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(at_path(event, target["InputPath"]))
    if target.get("InputTransformer"):
        return _transformed(target["InputTransformer"], event)
    return json.dumps(event)


def _transformed(transformer: dict[str, Any], event: dict[str, Any]) -> str:
    values = {name: at_path(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
    values["aws.events.event"] = {key: value for key, value in event.items() if key != "detail"}
    values["aws.events.event.json"] = event
    values["aws.events.event.ingestion-time"] = event["time"]
    template = transformer["InputTemplate"]

    def place(match: re.Match[str]) -> str:
        if match.group(1) not in values:
            return match.group(0)
        value = values[match.group(1)]
        if template[: match.start()].count('"') % 2 == 0:  # not in quotes: AWS adds them where the value needs them
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return _PLACE.sub(place, template)
