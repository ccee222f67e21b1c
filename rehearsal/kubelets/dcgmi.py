"""What `dcgmi diag` prints at its levels, as a table or as JSON: each test passes unless a fault of a board speaks.

Written after DCGM 4's own layout. Left out: every subcommand but diag, and the numbers that tests measure.
"""

import json
import re
from collections.abc import Sequence
from typing import Final

from rehearsal.kubelets.devices import Gpu
from rehearsal.kubelets.machine import Machine

FAILED: Final = 226
"""dcgmi hands its own error code on, of which a shell sees the lowest byte: any but 0 means failed."""
TESTS: Final = {
    1: (("Deployment", "software"),),
    2: (("Hardware", "memory"), ("Integration", "pcie")),
    3: (("Hardware", "diagnostic"), ("Stress", "targeted_stress"), ("Stress", "targeted_power")),
    4: (("Hardware", "memtest"), ("Hardware", "pulse_test")),
}
SECONDS: Final = {1: 10.0, 2: 120.0, 3: 1800.0, 4: 5400.0}
BAD: Final = {
    "software": ("ecc_uncorrectable", "remap_pending", "remap_failed"),
    "memory": ("smoke_fails", "ecc_uncorrectable"),
}
"""The faults over which a test fails."""
_LEVEL = re.compile(r"(?:-r|--run)[ =]?(\d)")


def level_of(program: str) -> int:
    """The level that a call asks for; the lowest one if it asks for none."""
    asked = _LEVEL.search(program)
    return min(max(int(asked[1]), 1), max(TESTS)) if asked else 1


def diagnose(program: str, machine: Machine, gpus: Sequence[Gpu]) -> tuple[str, int]:
    """Play one call: what it prints, and its exit code."""
    if not machine.has_driver or not gpus:
        return "Error: Unable to complete diagnostic for group. Return: (-35) No GPUs found.\n", FAILED
    wanted = [test for level in range(1, level_of(program) + 1) for test in TESTS[level]]
    results = [(category, test, [_passes(machine, gpu, test) for gpu in gpus]) for category, test in wanted]
    well = all(passed for _, _, found in results for passed in found)
    text = _json(machine, gpus, results) if re.search(r"\s(-j|--json)\b", program) else _table(machine, results)
    return text, 0 if well else FAILED


Results = Sequence[tuple[str, str, Sequence[bool]]]


def _passes(machine: Machine, gpu: Gpu, test: str) -> bool:
    fatal = test == "software" and gpu.index == 0 and bool(machine.xids)
    return not fatal and not any(machine.has_on(gpu, fault) for fault in BAD.get(test, ()))


def _table(machine: Machine, results: Results) -> str:
    line = f"+{'-' * 27}+{'-' * 48}+"
    head = [line, _row("Diagnostic", "Result"), line.replace("-", "="), _title("Metadata")]
    lines = ["Successfully ran diagnostic for group.", *head]
    lines += [_row("DCGM Version", "4.8.2"), _row("Driver Version Detected", str(machine.release.driver))]
    before = ""
    for category, test, found in results:
        lines += [_title(category)] if category != before else []
        lines.append(_row(test, _word(all(found))))
        lines += [_row("", f"GPU{index}: {_word(passed)}") for index, passed in enumerate(found)]
        before = category
    return "\n".join([*lines, line, ""])


def _row(left: str, right: str) -> str:
    return f"| {left:<25} | {right:<46} |"


def _title(name: str) -> str:
    return f"|-----  {name + '  ':-<20}+{'-' * 48}|"


def _json(machine: Machine, gpus: Sequence[Gpu], results: Results) -> str:
    categories: dict[str, list[dict[str, object]]] = {}
    for category, test, found in results:
        told = [
            {"entity_group": "GPU", "entity_group_id": 1, "entity_id": gpu.index, "status": _word(passed)}
            for gpu, passed in zip(gpus, found, strict=True)
        ]
        entry: dict[str, object] = {"name": test, "results": told, "test_summary": {"status": _word(all(found))}}
        categories.setdefault(category, []).append(entry)
    body = {
        "DCGM Diagnostic": {
            "test_categories": [{"category": name, "tests": tests} for name, tests in categories.items()]
        },
        "metadata": {"DCGM Version": "4.8.2", "Driver Version Detected": machine.release.driver},
    }
    return json.dumps(body, indent=2) + "\n"


def _word(passed: bool) -> str:  # noqa: FBT001 - a word for a truth
    return "Pass" if passed else "Fail"
