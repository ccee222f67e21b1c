"""Read what nvidia-smi, a CUDA sample and dcgmi printed.

Logs are untrusted text: they are cut, matched by narrow patterns, and whatever of them is kept is made printable.
"""

import re
from collections.abc import Iterator

from gpuops.domain.smoke.stages import MAX_EVIDENCE, MAX_LOG, GpuFault, clean

UUID = r"GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DRIVER = re.compile(r"Driver Version:\s*(\d{3,4}(?:\.\d{1,4}){1,3})\b")
_CUDA = re.compile(r"CUDA Version:\s*(\d{1,3}\.\d{1,3})\b")
_GPU = re.compile(rf"^GPU \d{{1,3}}: ([^()\n]{{1,64}}) \(UUID: ({UUID})\)", re.MULTILINE)
_PASSED = re.compile(r"^Test PASSED\s*$", re.MULTILINE)
_TELLING = re.compile(
    r"Driver Version|\(UUID: |Test (?:PASSED|FAILED)|error|fail|unable|unknown|insufficient|mismatch", re.IGNORECASE
)
_DETAILS = "NVSMI LOG"
"""Begins the long form of nvidia-smi, in which every other line speaks of errors that did not happen."""
_BOARD = re.compile(r"^GPU [0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f][ \t]*$", re.MULTILINE)
_ROW = re.compile(r"^\|[ \t]{0,40}([^|\n]{0,40}?)[ \t]*\|[ \t]{0,40}([^|\n]{1,100}?)[ \t]*\|[ \t]*$", re.MULTILINE)
_RESULT = re.compile(r"(?:GPU\d{1,3}: )?(Pass|Fail|Warn|Skip)\b")


def driver_of(log: str) -> str | None:
    """The driver's version, as the table of nvidia-smi names it."""
    return _first(_DRIVER, log[:MAX_LOG])


def cuda_of(log: str) -> str | None:
    """The newest CUDA that the driver serves."""
    return _first(_CUDA, log[:MAX_LOG])


def gpus_of(log: str) -> list[tuple[str, str]]:
    """Product and UUID of each line of `nvidia-smi -L`; a MIG device's line is none."""
    return [(clean(product), uuid) for product, uuid in _GPU.findall(log[:MAX_LOG])]


def computed(log: str) -> bool:
    """Whether the CUDA sample says that its sums were right."""
    return bool(_PASSED.search(log[:MAX_LOG]))


def ailments(log: str) -> list[GpuFault]:
    """What `nvidia-smi -q -d ECC,ROW_REMAPPER` says against a board.

    Its sections name no UUID, but come in the order of `nvidia-smi -L`, which stands before them. Counts of the board's
    whole life are no fault: memory that was repaired is repaired.
    """
    listing, _, details = log[:MAX_LOG].partition(_DETAILS)
    uuids = [uuid for _, uuid in gpus_of(listing)]
    boards = _BOARD.split(details)[1:]
    known = uuids if len(uuids) == len(boards) else ["unknown GPU"] * len(boards)
    found = [GpuFault(uuid, fault) for uuid, board in zip(known, boards, strict=True) for fault in _faults(board)]
    return list(dict.fromkeys(found))


def diagnosed(log: str) -> dict[str, list[str]]:
    """The tests of `dcgmi diag` by their result: Pass, Fail, Warn, Skip. Its error rows have no result but are Fail."""
    found: dict[str, list[str]] = {"Pass": [], "Fail": [], "Warn": [], "Skip": []}
    test = ""
    for name, text in _ROW.findall(log[:MAX_LOG]):
        test = name or test
        result = _RESULT.match(text)
        if result:
            found[result[1]].append(clean(f"{test}: {text}"))
        elif test.startswith("Error"):
            found["Fail"].append(clean(f"{test}: {text}"))
    return found


def telling(name: str, log: str) -> Iterator[str]:
    """The lines of a container's log that say something; without any, its last words."""
    listing = log[:MAX_LOG].partition(_DETAILS)[0]
    lines = [line for line in listing.splitlines() if line.strip()]
    chosen = [line for line in lines if _TELLING.search(line)] or lines[-2:]
    yield from (f"{name}: {clean(line)}" for line in chosen[: MAX_EVIDENCE // 2])


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _faults(board: str) -> Iterator[str]:
    """`Pending` and `Uncorrectable` mean different things in different sections, so the way to them counts."""
    for way, value in _settings(board):
        name = way[-1]
        if "Volatile" in way and "Uncorrectable" in name and re.fullmatch(r"0*[1-9]\d*", value):
            yield "ecc_uncorrectable"
        elif name == "SRAM Threshold Exceeded" and value == "Yes":
            yield "ecc_threshold"
        elif "Remapped Rows" in way and name == "Pending" and value == "Yes":
            yield "remap_pending"
        elif "Remapped Rows" in way and name == "Remapping Failure Occurred" and value == "Yes":
            yield "remap_failed"


def _settings(board: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each `name : value` with the sections around it, which only their indentation tells."""
    around: list[tuple[int, str]] = []
    for line in board.splitlines():
        name, colon, value = line.partition(":")
        indent = len(line) - len(line.lstrip(" "))
        while around and around[-1][0] >= indent:
            around.pop()
        if colon:
            yield (*(section for _, section in around), name.strip()), value.strip()
        elif name.strip():
            around.append((indent, name.strip()))
