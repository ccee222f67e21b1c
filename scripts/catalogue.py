"""Write the catalogue of AMI drivers anew from the rows of amazon-eks-ami's changelog: `make catalogue FILE=rows.csv`.

A row names a release (`v20260714`), an AMI type, a package and its version, and the release version, which has the
Kubernetes minor. The same rows always give the same file; a row that cannot be read ends it before anything is written.
"""  # noqa: INP001 - a script, not a package

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from gpuops.domain.drivers.catalogue import TABLE, Carried, Span, parse_catalogue, spans_of
from gpuops.domain.drivers.releases import read_release
from gpuops.domain.drivers.versions import parse_version
from gpuops.domain.errors import Invalid
from gpuops.domain.policy.parts import Architecture

COLUMNS = ("release", "release_version", "ami_type", "package", "version")
HEADING = re.compile(r"v(20\d{6})", re.ASCII)
PACKAGE = "kmod-nvidia-latest-dkms"
TYPES: dict[str, Architecture] = {"AL2023_x86_64_NVIDIA": "x86_64", "AL2023_ARM_64_NVIDIA": "arm64"}
HEAD = """\
# Which NVIDIA driver the GPU AMIs of EKS carry: a row says that the releases of these Kubernetes minors have one
# driver from the first to the last of them. Written by `make catalogue FILE=...`; a release that no row names is
# unknown, and the policy's `cuda.drivers` goes before everything here.
source: github.com/awslabs/amazon-eks-ami, CHANGELOG.md, rows of {package}
as_of: {day}
al2023:
"""


def main(arguments: list[str]) -> int:
    """Write the file; 1 with one clear message where that cannot be done."""
    if len(arguments) != 1:
        print("usage: make catalogue FILE=rows.csv", file=sys.stderr)
        return 1
    source = Path(arguments[0])
    try:
        text = written(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, Invalid) as error:
        print(f"{source}: {error}", file=sys.stderr)
        return 1
    TABLE.write_text(text, encoding="utf-8")
    print(f"{TABLE.name}: {len(parse_catalogue(text).al2023)} rows", file=sys.stderr)
    return 0


def written(rows: str) -> str:
    """Return the catalogue of these rows. Raises: Invalid naming the first line that cannot be read."""
    carried = list(read_rows(rows))
    if not carried:
        raise Invalid(f"line 1: no row of package {PACKAGE}")
    spans = sorted(spans_of(carried), key=lambda span: (span.first, span.last, span.driver, span.kubernetes))
    head = HEAD.format(package=PACKAGE, day=max(one.day for one in carried))
    text = head + "".join(f"  - {line}\n" for line in map(_line, spans))
    parse_catalogue(text)
    return text


def read_rows(rows: str) -> Iterator[Carried]:
    """Yield every release and driver of the package. Raises: Invalid."""
    reader = csv.DictReader(rows.splitlines())
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise Invalid(f"line 1: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    told: dict[tuple[str, str, int], str] = {}
    for row in (row for row in reader if row["package"] == PACKAGE):
        for one in _carried(row, reader.line_num):
            if told.setdefault((one.architecture, one.minor, one.day), one.driver) != one.driver:
                raise Invalid(f"line {reader.line_num}: a second driver for {row['ami_type']} {one.minor} {one.day}")
            yield one


def _carried(row: dict[str, str], line: int) -> Iterator[Carried]:
    """One row; some changelogs name another day in the release version than in the heading: then both are meant."""
    heading, release = HEADING.fullmatch(row["release"] or ""), read_release(row["release_version"] or "")
    if heading is None or release.minor is None or release.date is None:
        raise Invalid(f"line {line}: release {row['release']!r}, release version {row['release_version']!r}")
    if row["ami_type"] not in TYPES:
        raise Invalid(f"line {line}: unknown AMI type {row['ami_type']!r}; known: {', '.join(TYPES)}")
    driver = (row["version"] or "").partition("-")[0]
    try:
        parse_version(driver)
    except Invalid as error:
        raise Invalid(f"line {line}: {error}") from error
    for day in sorted({int(heading[1]), release.date}):
        yield Carried(TYPES[row["ami_type"]], release.minor, day, driver)


def _line(span: Span) -> str:
    """Versions are quoted: YAML would read some of them as numbers."""
    architectures, minors = ", ".join(span.architectures), ", ".join(f'"{minor}"' for minor in span.kubernetes)
    days = f"first: {span.first}, last: {span.last}"
    return f'{{driver: "{span.driver}", {days}, architectures: [{architectures}], kubernetes: [{minors}]}}'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
