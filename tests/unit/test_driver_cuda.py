"""Drivers and CUDA as NVIDIA documents them, and what containers require, as NVIDIA's runtime reads it.

Covered: version numbers, the newest CUDA of a driver, full, minor-version and forward compatibility with the reason of
each, expressions and what fulfils them, environments, broken expressions, tables that contradict themselves.
"""

import pytest

from gpuops.domain.drivers.cuda import Kind, Served, cuda_table, parse_table, served_by, supports
from gpuops.domain.drivers.require import MAX_LENGTH, Offer, holds, required_by, shortened
from gpuops.domain.drivers.versions import branch_of, parse_version
from gpuops.domain.errors import Invalid

TABLE = cuda_table()
SOURCED = 'sources: {s: x}\nfamilies: [{major: 12, driver: "525.60.13", source: s}]\nforward: []\n'


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("580.159.03", (580, 159, 3)), ("12.0", (12,)), ("12", (12,)), ("0", (0,)), ("1.0.1", (1, 0, 1))],
)
def test_zeros_mean_nothing(text: str, numbers: tuple[int, ...]) -> None:
    """As libnvidia-container compares them."""
    assert (parse_version(text), branch_of(text)) == (numbers, numbers[0])


@pytest.mark.parametrize("text", ["", "v1", "580.", ".1", "580.159.03-1", "1 2", "٣.1"])
def test_anything_else_is_no_version(text: str) -> None:
    """Digits and dots, and not too many of them."""
    with pytest.raises(Invalid, match="is not a version number"):
        parse_version(text)


@pytest.mark.parametrize(
    ("driver", "served"),
    [
        ("418.87", None),
        ("450.80.02", Served("11.0")),
        ("470.256.02", Served("11.4")),
        ("525.60.12", Served("11.8")),
        ("535.183.01", Served("12.2")),
        ("550.54.14", Served("12.4")),
        ("560.35.05", Served("12.6")),
        ("570.124.06", Served("12.8")),
        ("575.57.08", Served("12.9")),
        ("580.159.03", Served("13.0")),
        ("590.48.01", Served("13.1")),
        ("610.57.04", Served("13.3")),
        ("620.10.01", Served("13.3", at_least=True)),
    ],
)
def test_the_newest_cuda_of_a_driver(driver: str, served: Served | None) -> None:
    """What nvidia-smi shows; of a driver newer than the table only that it is at least the table's newest."""
    assert served_by(driver, TABLE) == served


@pytest.mark.parametrize(
    ("driver", "cuda", "package", "kind", "reason"),
    [
        # A driver serves every toolkit up to its own, of older major versions too.
        ("580.159.03", "13.0", False, "full", "not older than 580.65.06"),
        ("580.159.03", "12.9", False, "full", "not older than 575.51.03"),
        ("580.159.03", "11.8", False, "full", "not older than 520.61.05"),
        ("580.159.03", "10.2", False, "full", "not older than 440.33"),
        ("580.65.06", "13.0", False, "full", "not older than 580.65.06"),
        ("570.26", "12.8", False, "full", "not older than 570.26"),
        ("560.35.05", "12.6", False, "full", "not older than 560.28.03"),
        ("535.54.03", "12.2", False, "full", "not older than 535.54.03"),
        ("470.42.01", "11.4", False, "full", "not older than 470.42.01"),
        ("620.10.01", "13.3", False, "full", "not older than 610.43.02"),
        # Minor-version compatibility: from the first driver of the major version on.
        ("580.65.06", "13.2", False, "minor", "runs CUDA 13.x"),
        ("580.159.03", "13.1", False, "minor", "runs CUDA 13.x"),
        ("590.48.01", "13.3", False, "minor", "runs CUDA 13.x"),
        ("525.60.13", "12.9", False, "minor", "runs CUDA 12.x"),
        ("535.183.01", "12.8", False, "minor", "runs CUDA 12.x"),
        ("560.35.05", "12.8", False, "minor", "runs CUDA 12.x"),
        ("570.26", "12.9", True, "minor", "runs CUDA 12.x"),
        ("450.80.02", "11.8", False, "minor", "runs CUDA 11.x"),
        ("470.256.02", "11.8", False, "minor", "runs CUDA 11.x"),
        ("580.65.05", "12.9", False, "full", "not older than 575.51.03"),
        # Not across a major version, and not below its first driver.
        ("580.65.05", "13.0", False, "none", "needs driver 580.65.06 or newer, driver 580.65.05 is older"),
        ("575.57.08", "13.0", False, "none", "CUDA 13.0 needs driver 580.65.06"),
        ("570.124.06", "13.2", False, "none", "CUDA 13.2 needs driver 580.65.06"),
        ("525.60.12", "12.0", False, "none", "CUDA 12.0 needs driver 525.60.13"),
        ("470.256.02", "12.4", False, "none", "CUDA 12.4 needs driver 525.60.13"),
        ("450.80.01", "11.1", False, "none", "CUDA 11.1 needs driver 450.80.02"),
        ("418.87", "10.2", False, "none", "CUDA 10.2 needs driver 440.33"),
        # Before CUDA 11 there is no minor-version compatibility.
        ("440.32", "10.2", False, "none", "CUDA 10.2 needs driver 440.33"),
        # Forward compatibility: only with the package, and only on the branches that it names.
        ("570.124.06", "13.0", True, "forward", "cuda-compat of CUDA 13.0 runs on R570"),
        ("535.183.01", "13.2", True, "forward", "cuda-compat of CUDA 13.2 runs on R535"),
        ("470.256.02", "12.8", True, "forward", "cuda-compat of CUDA 12.8 runs on R470"),
        ("470.256.02", "12.9", True, "none", "CUDA 12.9 needs driver 525.60.13"),
        ("560.35.05", "13.0", True, "none", "CUDA 13.0 needs driver 580.65.06"),
        ("570.124.06", "13.1", True, "none", "CUDA 13.1 needs driver 580.65.06"),
        # What the table does not know yet: a promise within the major version stays, anything else is unknown.
        ("580.159.03", "13.9", False, "minor", "runs CUDA 13.x"),
        ("640.10", "14.0", False, "unknown", "neither driver 640.10 nor CUDA 14.0 is in the table yet"),
        ("580.159.03", "14.0", False, "none", "CUDA 14.0 needs driver newer than the table"),
    ],
)
def test_whether_a_driver_serves_a_toolkit(driver: str, cuda: str, package: bool, kind: Kind, reason: str) -> None:  # noqa: FBT001 - a column
    """Each with the reason that an operator reads."""
    found = supports(driver, cuda, TABLE, package=package)

    assert (found.kind, found.holds) == (kind, kind in {"full", "minor", "forward"})
    assert reason in found.reason


A10G = Offer(cuda="13.0", driver="580.159.03", arch="8.6", brands=frozenset({"nvidia"}))
T4 = Offer(cuda="12.6", driver="560.35.05", arch="7.5", brands=frozenset({"tesla", "nvidia"}))
IMAGE = "cuda>=13.0 brand=tesla,driver>=535,driver<536 brand=nvidia,driver>=560,driver<561"


@pytest.mark.parametrize(
    ("expression", "offer", "fulfilled"),
    [
        ("cuda>=12.4", A10G, True),
        ("cuda>=13.0", A10G, True),
        ("cuda>=13", A10G, True),
        ("cuda>13.0", A10G, False),
        ("cuda>=13.1", A10G, False),
        ("cuda=13.0", A10G, True),
        ("cuda!=13.0", A10G, False),
        ("cuda<=13.0", A10G, True),
        ("driver>=580.159.3", A10G, True),
        ("driver<580", A10G, False),
        ("driver>=580,driver<581", A10G, True),
        ("driver>=570,driver<571", A10G, False),
        ("arch>=9.0", A10G, False),
        ("arch>=8.0,cuda>=12.0", A10G, True),
        ("brand=tesla", A10G, False),
        ("brand=NVIDIA", A10G, True),
        ("brand!=geforce", A10G, True),
        ("brand=tesla", T4, True),
        ("cuda>=13.1 driver>=580", A10G, True),
        ("cuda>=13.1  driver>=590", A10G, False),
        (IMAGE, A10G, True),
        (IMAGE, T4, True),
        ("cuda>=13.0 brand=tesla,driver>=535,driver<536", T4, False),
        ("cuda>=99", Offer(), True),
        ("brand=tesla,driver>=535", Offer(driver="470.1"), False),
        ("", T4, True),
        (" , ", T4, True),
    ],
)
def test_an_expression_is_alternatives_of_conditions(expression: str, offer: Offer, fulfilled: bool) -> None:  # noqa: FBT001 - a column
    """A space is OR, a comma is AND; what nobody knows counts as fine."""
    assert holds(expression, offer) is fulfilled


@pytest.mark.parametrize(
    "expression",
    [
        "cuda",
        "cuda>=",
        ">=12.4",
        "cuda=>12.4",
        "cuda>=latest",
        "gpu>=3",
        "brand>tesla",
        "cuda>=12.4\ndriver>=1",
        "c" * 9000,
    ],
)
def test_an_expression_that_nvidia_could_not_read_is_refused(expression: str) -> None:
    """Its container would not start either; one of unbounded length is not read at all."""
    with pytest.raises(Invalid):
        holds(expression, A10G)
    assert len(expression) < MAX_LENGTH or expression == "c" * 9000


def test_every_variable_of_an_environment_counts_unless_it_disables_the_check() -> None:
    """Their names only have to begin alike; Jetson's own is not for EC2."""
    env = {
        "PATH": "/bin",
        "NVIDIA_REQUIRE_CUDA": " cuda>=12.4 ",
        "NVIDIA_REQUIRE_DRIVER": "driver>=550",
        "NVIDIA_REQUIRE_JETPACK": "csv-mounts=all",
        "NVIDIA_REQUIRE_NOTHING": " ",
    }

    assert required_by(env) == ("cuda>=12.4", "driver>=550")
    assert required_by({**env, "NVIDIA_DISABLE_REQUIRE": "True"}) == ()
    assert required_by({**env, "NVIDIA_DISABLE_REQUIRE": "false"}) == ("cuda>=12.4", "driver>=550")


def test_a_long_expression_is_named_by_its_beginning() -> None:
    """A reason is read by people."""
    assert (shortened(IMAGE), shortened("cuda>=12.4")) == ("cuda>=13.0 ...", "cuda>=12.4")


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (
            '- {cuda: "12.1", driver: "530", source: s}\n- {cuda: "12.0", driver: "531", source: s}',
            "does not come after",
        ),
        ('- {cuda: "12.0", driver: "530", source: s}\n- {cuda: "12.1", driver: "530.0", source: s}', "does not come"),
        ('- {cuda: "12.0", driver: "530", source: elsewhere}', "no such source"),
        ("- {cuda: 12.0, driver: 530, source: s}", "valid string"),
        ('- {cuda: "12.0", driver: "530", source: s, why: x}', "why"),
        ("- [", "cuda.yaml"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(rows: str, complaint: str) -> None:
    """Out of order, unsourced, a number where YAML would round it, a word that nobody reads."""
    with pytest.raises(Invalid, match=complaint):
        parse_table(f"toolkits:\n{rows}\n{SOURCED}")
