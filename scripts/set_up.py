"""Make everything that `make` targets need, and nothing twice: `.venv`, the project in it, what rehearsals run on.

It runs before anything is installed, so the standard library has to do. Each step leaves a fingerprint of what it
was made from; a step whose fingerprint still fits is skipped, which is why every target may begin with it.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "set-up.json"
REQUIREMENTS = ROOT / "requirements.txt"
SAY_EVERY_SECONDS = 5
PIP = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]


def main() -> int:
    """Do what is missing; 1 with one clear message when something cannot be done."""
    try:
        made = [make_venv(), install_requirements(), install_project()]
    except subprocess.CalledProcessError as error:
        print(f"Set-up failed: {' '.join(error.cmd[:6])} … said:\n{error.output}", file=sys.stderr)
        return 1
    if prepare_rehearsals() != 0:
        return 1
    if any(made):
        print("Set-up is complete. Try `make rehearse`, or `.venv/bin/gpuops --help`.", file=sys.stderr)
    return 0


def make_venv() -> bool:
    """`.venv`, anew when it does not run or was made for another place: its scripts hold absolute paths."""
    if read_stamps().get("venv", str(ROOT)) == str(ROOT) and runs(PYTHON):
        return False
    say(f"Making .venv with Python {sys.version.split()[0]} …")
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(VENV)])
    write_stamp("venv", str(ROOT))
    return True


def install_requirements() -> bool:
    """The locked packages, each with its hash checked; the lock is complete, so pip need not solve it again."""
    return once(
        "requirements",
        fingerprint(REQUIREMENTS),
        "Installing the locked packages (about 2 minutes, once) …",
        lambda: run(
            [*PIP, "--require-hashes", "--no-deps", "-r", str(REQUIREMENTS)], counted=("Collecting ", locked_count())
        ),
    )


def install_project() -> bool:
    """The project itself, editable, so that `.venv/bin/gpuops` runs the checkout."""
    arguments = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    return once("project", fingerprint(ROOT / "pyproject.toml"), "Installing gpuops …", lambda: run([*PIP, *arguments]))


def prepare_rehearsals() -> int:
    """What lies in the cache outside the checkout; it looks after itself and says what is wrong."""
    return subprocess.run([str(PYTHON), "-m", "rehearsal.prepare"], check=False, cwd=ROOT).returncode


def once(step: str, made_from: str, announcement: str, do: Callable[[], None]) -> bool:
    """Do a step unless it has been done with the same input."""
    if read_stamps().get(step) == made_from:
        return False
    say(announcement)
    do()
    write_stamp(step, made_from)
    return True


def run(argv: list[str], counted: tuple[str, int] | None = None) -> None:
    """Run a command; `counted` is how a line of progress starts, and how many there will be.

    Raises: CalledProcessError with the last lines of its output.
    """
    lines: list[str] = []
    said = time.monotonic()
    with subprocess.Popen(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if counted and time.monotonic() - said > SAY_EVERY_SECONDS:
                said = time.monotonic()
                done = [each for each in lines if each.startswith(counted[0])]
                say(f"    {len(done)} of {counted[1]}: {' '.join(done[-1:]).removeprefix(counted[0]).split(' (')[0]}")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv, "\n".join(lines[-15:]))


def say(line: str) -> None:
    """Progress goes to standard error: standard output belongs to results."""
    print(line, file=sys.stderr, flush=True)


def runs(python: Path) -> bool:
    """Whether the interpreter is there and has pip."""
    if not python.exists():
        return False
    tried = subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False)
    return tried.returncode == 0


def locked_count() -> int:
    """How many packages the lock file names."""
    return sum("==" in line and not line.startswith((" ", "#")) for line in REQUIREMENTS.read_text().splitlines())


def fingerprint(path: Path) -> str:
    """The content, and the interpreter that it was installed for."""
    return hashlib.sha256(path.read_bytes() + str(PYTHON.resolve()).encode()).hexdigest()


def read_stamps() -> dict[str, str]:
    """The fingerprints of finished steps."""
    return dict(json.loads(STAMPS.read_text())) if STAMPS.exists() else {}


def write_stamp(step: str, value: str) -> None:
    """Remember that a step is finished."""
    STAMPS.write_text(json.dumps({**read_stamps(), step: value}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
