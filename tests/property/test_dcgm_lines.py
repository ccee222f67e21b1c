"""Plain lines mean the same to our reading and to prometheus_client's, and what is not plain is left to the latter."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gpuops.domain.dcgm.lines import plain_lines
from gpuops.domain.dcgm.series import read_series

NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
LABELS = st.dictionaries(
    st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,6}", fullmatch=True),
    st.text(st.characters(blacklist_characters='"\\\n\r', blacklist_categories=("Cs", "Cc")), max_size=8),
    max_size=4,
)
VALUES = st.one_of(st.integers(0, 10**20), st.floats(0, 1e30, allow_nan=False))
TIMES = st.none() | st.integers(0, 4_102_444_800_000)


@settings(max_examples=40)
@given(st.lists(st.tuples(NAMES, LABELS, VALUES, TIMES), min_size=1, max_size=6))
def test_what_is_read_at_once_is_what_the_parser_reads(given_lines: list[Any]) -> None:
    """Names, labels, values and times, one by one; a family of the parser may be one line of ours."""
    text = "".join(
        f"{name}{{{','.join(f'{k}={chr(34)}{v}{chr(34)}' for k, v in labels.items())}}} {value}"
        f"{'' if at is None else f' {at}'}\n"
        for name, labels, value, at in given_lines
    )
    ours = plain_lines(text)
    parsed = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert ours is not None
    assert [(s.name, dict(s.labels), float(s.value)) for s in parsed] == [(s.name, s.labels, s.value) for s in ours]
    times = [(float(s.timestamp) if s.timestamp is not None else None) for s in parsed]
    assert all(
        (a is None) == (b.timestamp is None) and (a is None or math.isclose(a, b.timestamp or 0.0))
        for a, b in zip(times, ours, strict=True)
    )


def test_an_escape_is_left_to_the_parser() -> None:
    """And is read all the same."""
    text = 'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-1",pod="a\\\\b"} 3\n'
    assert plain_lines(text) is None
    assert read_series(text)["GPU-1"][0].labels["pod"] == "a\\b"
