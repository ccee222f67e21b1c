"""Which driver an AMI release carries: names, the table, and the script that writes it.

Covered: release versions and image names, spans and gaps between them, overlaps, what the shipped file says, every row
of an invented CSV found again, the same file for the same rows, one clear error for each kind of bad row.
"""

from pathlib import Path

import pytest

from gpuops.domain.drivers.catalogue import TABLE, driver_catalogue, parse_catalogue
from gpuops.domain.drivers.releases import Release, read_release
from gpuops.domain.errors import Invalid
from scripts import catalogue as script

COLUMNS = "release,k8s,release_version,ami_type,package,version\n"
X86, ARM, KMOD = "AL2023_x86_64_NVIDIA", "AL2023_ARM_64_NVIDIA", "kmod-nvidia-latest-dkms"
ROWS = [
    ("v20260301", "1.35.2-20260301", X86, KMOD, "580.1.01-1.amzn2023"),
    ("v20260301", "1.35.2-20260301", ARM, KMOD, "580.1.01-1.el9"),
    ("v20260301", "1.34.5-20260301", X86, KMOD, "570.9.01-1.amzn2023"),
    ("v20260308", "1.35.2-20260308", X86, KMOD, "590.2.02-1.amzn2023"),
    ("v20260315", "1.35.3-20260315", X86, KMOD, "580.1.01-1.amzn2023"),
    ("v20260322", "1.35.3-20260320", X86, KMOD, "580.1.01-1.amzn2023"),
    ("v20260301", "1.35.2-20260301", X86, "nvidia-container-toolkit", "1.19.1-1"),
]


def csv(*rows: tuple[str, str, str, str, str]) -> str:
    """Return a file of these rows."""
    return COLUMNS + "".join(f"{r},{v[:4]},{v},{a},{p},{n}\n" for r, v, a, p, n in rows)


@pytest.mark.parametrize(
    ("names", "release"),
    [
        (["1.36.2-20260714"], Release("1.36", 20260714)),
        (["amazon-eks-node-al2023-x86_64-nvidia-1.36-v20260714"], Release("1.36", 20260714)),
        (["amazon-eks-node-al2023-arm64-nvidia-1.30-v20251112"], Release("1.30", 20251112)),
        (["amazon-eks-gpu-node-1.29-v20240924"], Release("1.29", 20240924)),
        (["bottlerocket-aws-k8s-1.36-nvidia-aarch64-v1.50.0-0a1b2c3d"], Release("1.36")),
        (["ours, tested", "amazon-eks-node-al2023-x86_64-nvidia-1.36-v20260714"], Release("1.36", 20260714)),
        (["1.50.0", "golden-image-7"], Release()),
        ([""], Release()),
    ],
)
def test_a_release_is_read_from_the_first_name_that_tells_one(names: list[str], release: Release) -> None:
    """A name of somebody's own tells nothing."""
    assert read_release(*names) == release


@pytest.mark.parametrize(
    ("architecture", "release", "driver"),
    [
        ("x86_64", "1.36.2-20260714", "580.159.03"),
        ("arm64", "1.30.14-20260610", "580.159.03"),
        ("x86_64", "1.31.13-20251112", "580.95.05"),
        ("x86_64", "1.30.14-20251112", "570.195.03"),
        ("x86_64", "1.33.0-20250715", "575.57.08"),
        ("x86_64", "1.35.2-20260311", "580.126.09"),
        ("arm64", "1.30.8-20240924", None),
        ("x86_64", "1.36.3-20261120", None),
        ("x86_64", "1.36.1-20260601", None),
    ],
)
def test_the_shipped_catalogue_knows_what_the_changelog_says(
    architecture: str, release: str, driver: str | None
) -> None:
    """Two drivers in one release, one that went backwards, and nothing about what came before, between or after."""
    assert driver_catalogue().driver(architecture, read_release(release)) == driver


def test_every_row_is_found_again_and_nothing_between_two_drivers() -> None:
    """Also the release whose version names another day than its heading."""
    found = parse_catalogue(script.written(csv(*ROWS)))

    for heading, version, kind, package, number in ROWS:
        if package == KMOD:
            architecture = script.TYPES[kind]
            minor = version[:4]
            for day in (int(heading[1:]), int(version[-8:])):
                assert found.driver(architecture, Release(minor, day)) == number.partition("-")[0]
    assert found.driver("x86_64", Release("1.35", 20260302)) is None
    assert found.driver("arm64", Release("1.34", 20260301)) is None
    assert (found.as_of, len(found.al2023)) == (20260322, 4)


def test_the_same_rows_in_any_order_give_the_same_file() -> None:
    """So a refresh shows what changed and nothing else."""
    assert script.written(csv(*ROWS)) == script.written(csv(*reversed(ROWS)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("release,version\n", "line 1: no column release_version, ami_type, package; expected release"),
        (COLUMNS, f"line 1: no row of package {KMOD}"),
        (csv(("20260301", "1.35.2-20260301", X86, KMOD, "580.1")), "line 2: release '20260301', release version"),
        (
            csv(ROWS[0], ("v20260301", "1.35", X86, KMOD, "580.1")),
            "line 3: release 'v20260301', release version '1.35'",
        ),
        (csv(("v20260301", "1.35.2-20260301", "AL2_x86_64", KMOD, "580.1")), "line 2: unknown AMI type 'AL2_x86_64'"),
        (csv(("v20260301", "1.35.2-20260301", X86, KMOD, "latest")), "line 2: 'latest' is not a version number"),
        (csv(ROWS[0], ("v20260301", "1.35.2-20260301", X86, KMOD, "580.2")), f"line 3: a second driver for {X86} 1.35"),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_its_line(text: str, complaint: str) -> None:
    """Before anything is written."""
    with pytest.raises(Invalid, match=r"^line") as caught:
        script.written(text)

    assert str(caught.value).startswith(complaint)


def test_the_script_says_in_one_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And leaves the shipped file as it is."""
    before = TABLE.read_bytes()
    bad = tmp_path / "rows.csv"
    bad.write_text("release\n")

    assert [script.main([]), script.main([str(tmp_path / "none.csv")]), script.main([str(bad)])] == [1, 1, 1]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[2] == f"{bad}: line 1: no column {', '.join(script.COLUMNS[1:])}; expected {', '.join(script.COLUMNS)}"
    assert TABLE.read_bytes() == before


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('{driver: "580.1", first: 20260302, last: 20260301, architectures: [x86_64], kubernetes: ["1.35"]}', "before"),
        (
            '{driver: "580.1", first: 20260301, last: 20260301, architectures: [], kubernetes: ["1.35"]}',
            "architectures",
        ),
        ('{driver: "580.1", first: 20260305, last: 20260308, architectures: [x86_64], kubernetes: ["1.35"]}', "twice"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(row: str, complaint: str) -> None:
    """Backwards, of nothing, or a release with two drivers."""
    good = '{driver: "570.1", first: 20260301, last: 20260305, architectures: [x86_64], kubernetes: ["1.34", "1.35"]}'
    with pytest.raises(Invalid, match=complaint):
        parse_catalogue(f"source: s\nas_of: 20260301\nal2023:\n  - {good}\n  - {row}\n")
