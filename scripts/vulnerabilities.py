"""Known vulnerabilities of what is pinned, as pip-audit finds them: `vulnerabilities.py PIP_AUDIT LOCK...`.

pip-audit answers an unreachable feed with a traceback, and one that knows no package by skipping them all. Both are
said here in one line. Ends with 0 where there is none, 1 where there is one, 2 where nobody could tell.
"""  # noqa: INP001 - a script, not a package

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CLEAN, FOUND, UNKNOWN = 0, 1, 2
OPTIONS = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off")
FEED = "PyPI's feed of vulnerabilities (its JSON API)"


@dataclass(frozen=True)
class Audit:
    """What pip-audit left of one lock file."""

    lock: str
    out: str
    err: str


def judge(audit: Audit) -> tuple[int, list[str]]:
    """An exit code, and the lines that say why."""
    try:
        pinned = json.loads(audit.out)["dependencies"]
    except (ValueError, KeyError):
        last = (audit.err.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return UNKNOWN, [f"{audit.lock}: not audited: {FEED} could not be asked: {last}"]
    if found := list(_found(audit.lock, pinned)):
        return FOUND, found
    if skipped := [each["name"] for each in pinned if "skip_reason" in each]:
        told = f"{FEED} could not be asked about {len(skipped)} of {len(pinned)} packages ({skipped[0]}, ...)"
        return UNKNOWN, [
            f"{audit.lock}: not audited: {told}: behind a mirror there is none; run it where PyPI is reached"
        ]
    if not pinned:
        return UNKNOWN, [f"{audit.lock}: not audited: no package was found in it"]
    return CLEAN, [f"{audit.lock}: no known vulnerability in {len(pinned)} packages"]


def _found(lock: str, pinned: list[dict[str, Any]]) -> Iterator[str]:
    for each in pinned:
        for known in each.get("vulns", ()):
            fixed = ", ".join(known["fix_versions"]) or "nothing yet"
            yield f"{lock}: {each['name']} {each['version']}: {known['id']}, fixed in {fixed}"


def audit_of(program: str, lock: str) -> Audit:
    """Ask for one lock file."""
    ran = subprocess.run([program, *OPTIONS, "--requirement", lock], capture_output=True, text=True, check=False)
    return Audit(lock, ran.stdout, ran.stderr)


def main(program: str, *locks: str) -> int:
    """The worst that is known: a vulnerability before an audit that could not be done."""
    codes = []
    for lock in locks:
        code, lines = judge(audit_of(program, lock))
        codes.append(code)
        print("\n".join(lines), file=sys.stdout if code == CLEAN else sys.stderr)
    return FOUND if FOUND in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
