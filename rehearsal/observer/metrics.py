"""Counts evictions by the apiserver's own request counter.

Chosen over the wire's record, which is part of what is rehearsed, and over the DisruptionTarget condition, which a
refused eviction never leaves: `apiserver_request_total` counts both answers, whoever asked.
"""

import re

LINE = re.compile(r"^apiserver_request_total\{([^}]*)\} (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def evictions(metrics: str) -> dict[str, int]:
    """Real (not dry-run) requests for evictions so far, by status code."""
    counts: dict[str, int] = {}
    for text, value in LINE.findall(metrics):
        label = dict(LABEL.findall(text))
        if (label.get("resource"), label.get("subresource"), label.get("dry_run")) == ("pods", "eviction", ""):
            counts[label["code"]] = counts.get(label["code"], 0) + int(float(value))
    return counts
