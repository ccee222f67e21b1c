"""The dependency audit says in one line what it found, and what it could not find out.

Covered: nothing known, something known, a feed that knows no package, a feed that is not reached, and a program that
ends like each of these.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import vulnerabilities as script

KNOWN = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": [], "description": "..."}
TRACEBACK = """Traceback (most recent call last):
  File "requests/adapters.py", line 729, in send
requests.exceptions.ConnectionError: host='feed.invalid': Failed to resolve 'feed.invalid'
"""


def listed(*dependencies: dict[str, Any]) -> str:
    """As pip-audit prints it."""
    return json.dumps({"dependencies": list(dependencies), "fixes": []})


CLEAN = {"name": "urllib3", "version": "1.0", "vulns": []}
BAD = {"name": "attrs", "version": "1.0", "vulns": [KNOWN]}
SKIPPED = {"name": "aiohttp", "skip_reason": "Dependency not found on PyPI and could not be audited: aiohttp (3.14.5)"}
CASES = {
    "clean": (listed(CLEAN), "", 0, "r.txt: no known vulnerability in 1 packages"),
    "known": (listed(CLEAN, BAD, SKIPPED), "", 1, "r.txt: attrs 1.0: PYSEC-2026-1, fixed in 2.0"),
    "behind a mirror": (listed(SKIPPED, SKIPPED), "", 2, "about 2 of 2 packages (aiohttp, ...)"),
    "not reached": ("", TRACEBACK, 2, "could not be asked: requests.exceptions.ConnectionError: host='feed.invalid'"),
    "empty": (listed(), "", 2, "no package was found in it"),
    "silent": ("", "", 2, "pip-audit said nothing"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_said_in_one_line(case: str) -> None:
    """With the lock file, and no traceback."""
    out, err, code, words = CASES[case]

    found, lines = script.judge(script.Audit("r.txt", out, err))

    assert (found, len(lines)) == (code, 1)
    assert words in lines[0]
    assert lines[0].startswith("r.txt: ")


@pytest.mark.parametrize(
    ("answers", "code"), [(["clean"], 0), (["clean", "not reached"], 2), (["not reached", "known", "clean"], 1)]
)
def test_what_is_known_counts_before_what_is_not(
    answers: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of several lock files; what went wrong is on standard error."""
    locks = []
    for number, answer in enumerate(answers):
        out, err, *_ = CASES[answer]
        lock = tmp_path / f"{number}.txt"
        lock.write_text(json.dumps([out, err]))
        locks.append(str(lock))
    program = tmp_path / "pip-audit"
    program.write_text(
        "#!/usr/bin/env python3\nimport json, sys\n"
        "out, err = json.load(open(sys.argv[-1]))\nprint(out)\nprint(err, file=sys.stderr)\nsys.exit(1)\n"
    )
    program.chmod(0o700)

    assert script.main(str(program), *locks) == code
    told = capsys.readouterr()
    assert ("not audited" in told.err) == ("not reached" in answers)
    assert "Traceback" not in told.err + told.out
