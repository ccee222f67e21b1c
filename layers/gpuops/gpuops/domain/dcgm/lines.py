"""The lines of an exposition, read in one pass where they are as plain as an exporter writes them.

prometheus_client's parser takes a tenth of a millisecond for a line, character by character, which is half a minute for
a thousand nodes. Lines without escapes, exemplars or odd spaces mean the same to a regular expression; a text with any
other line is left to the parser as a whole. tests/property/test_dcgm_lines.py holds both against each other.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n]*)"'
NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
LINE = re.compile(rf"({NAME})\{{((?:{LABEL}(?:,{LABEL})*)?)\}} ({NUMBER})(?: (\d+))?")
LABELS = re.compile(LABEL)
BARE = re.compile(rf"{NAME} {NUMBER}")
MILLISECONDS = 1000.0


class Line(NamedTuple):
    """One sample of the text."""

    name: str
    labels: Mapping[str, str]
    value: float
    timestamp: float | None


def plain_lines(text: str) -> list[Line] | None:
    """Return its samples; None where a line is not plain, and the parser has to say what it means."""
    lines: list[Line] = []
    for line in text.split("\n"):
        if not line or line.startswith("#") or BARE.fullmatch(line):
            continue
        if (match := LINE.fullmatch(line)) is None:
            return None
        pairs = LABELS.findall(match[2])
        labels = dict(pairs)
        if len(labels) != len(pairs):
            return None
        at = match[8]
        lines.append(Line(match[1], labels, float(match[7]), int(at) / MILLISECONDS if at else None))
    return lines
