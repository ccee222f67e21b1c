"""Invariants of the tables about drivers: nothing that was told is lost, and newer drivers serve no less."""

from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.drivers.catalogue import Carried, spans_of
from gpuops.domain.drivers.cuda import cuda_table, served_by, supports
from gpuops.domain.drivers.require import Offer, holds
from gpuops.domain.drivers.versions import parse_version

TABLE = cuda_table()
releases = st.dictionaries(
    st.tuples(st.sampled_from(["x86_64", "arm64"]), st.sampled_from(["1.34", "1.35"]), st.integers(20260101, 20260112)),
    st.sampled_from(["570.1", "580.1", "580.2"]),
    min_size=1,
)
drivers = st.builds(lambda branch, patch: f"{branch}.{patch}", st.integers(400, 700), st.integers(0, 300))
toolkits = st.sampled_from([row.cuda for row in TABLE.toolkits] + ["12.7", "13.9", "14.0"])


@given(releases)
def test_every_release_is_in_one_row_and_has_its_driver_there(told: dict[tuple[str, str, int], str]) -> None:
    """Whatever is joined: releases in time, minors, architectures."""
    carried = [Carried(architecture, minor, day, told[architecture, minor, day]) for architecture, minor, day in told]  # type: ignore[arg-type]
    spans = spans_of(carried)

    for one in carried:
        found = [span.driver for span in spans if span.covers(one.architecture, one.minor, one.day)]
        assert found == [one.driver]
    assert len(spans) <= len(carried)


@given(drivers, drivers, toolkits)
def test_a_newer_driver_serves_whatever_an_older_one_serves(one: str, other: str, cuda: str) -> None:
    """Of forward compatibility this is not true: its packages name single branches."""
    older, newer = sorted((one, other), key=parse_version)

    assert supports(newer, cuda, TABLE).holds >= supports(older, cuda, TABLE).holds


@given(drivers, toolkits)
def test_what_nvidias_runtime_lets_start_nvidia_promises_to_run(driver: str, cuda: str) -> None:
    """An expression is the stricter judge: it knows no minor-version compatibility."""
    served = served_by(driver, TABLE)

    if served and holds(f"cuda>={cuda}", Offer(cuda=served.cuda, driver=driver)):
        assert supports(driver, cuda, TABLE).kind == "full"
