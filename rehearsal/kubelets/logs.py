"""What containers print, how long they run and how they end, by their command.

Played are nvidia-smi, dcgmi diag and NVIDIA's vectorAdd sample, and `sleep`; on the host, which nsenter leads to, also
systemctl. Every other command only runs. What follows `;` is played whatever came before, and `exit` keeps the first
failure.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rehearsal.kube import Json
from rehearsal.kubelets.dcgmi import SECONDS, diagnose, level_of
from rehearsal.kubelets.devices import Gpu
from rehearsal.kubelets.machine import Machine
from rehearsal.kubelets.smi import nvidia_smi

EXIT_CODE: Final = "rehearsal.gpuops.dev/exit-code"
SMOKE_SECONDS: Final = 10.0
DEFAULT_SECONDS: Final = 30.0
"""How long a container runs that is meant to end and does not say when."""
_PROGRAM = re.compile(
    r"nvidia-smi[^;&|\n]*|dcgmi\s+diag[^;&|\n]*|systemctl\s+(?:start|stop)[^;&|\n]*|vector_?add", re.IGNORECASE
)
HOST: Final = "nsenter"
_SLEEP = re.compile(r"\bsleep\s+(\d+)\b")
_FOREVER = re.compile(r"\bsleep\b|\btail\s+-f\b")
_LOOP = re.compile(r"\b(while|until)\b")
PASSED: Final = """\
[Vector addition of 50000 elements]
Copy input data from the host memory to the CUDA device
CUDA kernel launch with 196 blocks of 256 threads
Copy output data from the CUDA device to the host memory
Test PASSED
Done
"""
FAILED: Final = """\
[Vector addition of 50000 elements]
Failed to allocate device vector A (error code system not yet initialized)!
"""


@dataclass(frozen=True)
class Outcome:
    """What a container wrote, and its exit code."""

    text: str
    exit_code: int


def seconds_of(container: Json) -> float:
    """How long a container runs that is meant to end and does not fail; infinite when it sleeps until it is killed."""
    words = _words(container)
    programs = _programs(container)
    busy = sum(SECONDS[level_of(p)] if p.startswith("dcgmi") else 0.0 for p in programs) or SMOKE_SECONDS
    if sleeps := [float(each) for each in _SLEEP.findall(words) if not _LOOP.search(words)]:
        return sum(sleeps) + busy * bool(programs)
    if _FOREVER.search(words):
        return math.inf
    return busy if programs else DEFAULT_SECONDS


def outcome_of(container: Json, annotations: Json, machine: Machine, gpus: Sequence[Gpu]) -> Outcome:
    """Play a container's programs one after the other; a failure ends it, as `set -e` and && would."""
    text, on_host = "", HOST in _words(container)
    failed = 0
    for program in _programs(container):
        played, exit_code = _play(program, machine, machine.devices.gpus if on_host else gpus)
        text += played
        if exit_code and not on_host:
            return Outcome(text, exit_code)
        failed = failed or exit_code
    if failed:
        return Outcome(text, failed)
    return Outcome(text or f"{container['name']} runs\n", int(annotations.get(EXIT_CODE, 0)))


def _play(program: str, machine: Machine, gpus: Sequence[Gpu]) -> tuple[str, int]:
    if program.startswith("systemctl"):
        if "nvidia-persistenced" in program:
            machine.persistenced = " start " in program
        return "", 0
    if program.startswith("dcgmi"):
        return diagnose(program, machine, gpus)
    if program.startswith("nvidia-smi"):
        return nvidia_smi(program, machine, gpus)
    broken = machine.suffers("smoke_fails") or not gpus or not machine.has_driver
    return (FAILED, 1) if broken else (PASSED, 0)


def _programs(container: Json) -> list[str]:
    """The programs that the command names; without a command, the one that the image is named after."""
    return _PROGRAM.findall(_words(container) or container["image"])


def _words(container: Json) -> str:
    return " ".join([*(container.get("command") or ()), *(container.get("args") or ())])
