"""Whatever a file holds, the check has a verdict; and it never calls good what would come to something else."""

import json
import re
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.plugin_config.check import check_plugin_config

BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
WORDS = """
version v1 flags sharing timeSlicing timeslicing mps resources name Name rename devices replicas renameByDefault
failRequestsGreaterThanOne nvidia.com/gpu gpu all plugin deviceListStrategy envvar gfd sleepInterval 60s imex
channelIDs migStrategy mixed pattern gpus << ~ yes 4 0x10
"""
PIECES = """
[ ] { } , & * !!int ! " ' | > # % ? @ --- ... <<: sharing: timeSlicing: resources: replicas: 4 0b1 .inf 2024-01-01
"""
words = st.sampled_from(WORDS.split())
scalars = st.none() | st.booleans() | st.integers(-3, 2**64) | st.floats() | words | st.text(max_size=8)
documents: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda part: st.lists(part, max_size=4) | st.dictionaries(words, part, max_size=5), max_leaves=25
)
pieces = st.sampled_from([*PIECES.split(), ": ", "- ", "\n", "\n  ", "  ", "\t", "&a ", "*a", "\x85"])
yamlish = st.lists(pieces | words, max_size=40).map("".join)
shares = st.integers(-2, 100)


def config(replicas: int, **more: Any) -> dict[str, Any]:
    """One resource shared."""
    resources = [{"name": "nvidia.com/gpu", "replicas": replicas}]
    return {"version": "v1", "sharing": {"timeSlicing": {"resources": resources}}, **more}


@given(st.text() | yamlish | documents.map(json.dumps) | documents.map(yaml.safe_dump))
def test_no_text_is_without_a_verdict(text: str) -> None:
    """No traceback; a refusal always has a reason and a line inside the file."""
    report = check_plugin_config(text)
    assert report.accepted_by_plugin or (report.problems and not report.effective and report.replicas == 0)
    last = len(BREAK.findall(text)) + 1
    assert all(1 <= problem.line <= last for problem in report.problems)
    assert all(problem.reason for problem in report.problems)


@given(shares)
def test_a_clean_file_shares_exactly_what_it_says(replicas: int) -> None:
    """And below two shares there is no clean file."""
    report = check_plugin_config(json.dumps(config(replicas)))
    assert report.accepted_by_plugin == (replicas >= 2)
    assert not report.problems if replicas >= 2 else report.problems
    assert report.replicas == (replicas if replicas >= 2 else 0)


@given(shares, st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=12), documents)
def test_what_is_added_under_an_unknown_key_changes_nothing_and_is_a_problem(
    replicas: int, key: str, value: object
) -> None:
    """The plugin passes it over, so we name it; a file never gets better by more of it."""
    extra = f"x{key}"
    before = check_plugin_config(json.dumps(config(replicas)))
    after = check_plugin_config(json.dumps(config(replicas, **{extra: "given"})))
    assert after.accepted_by_plugin == before.accepted_by_plugin
    assert after.effective == before.effective
    assert len(after.problems) == len(before.problems) + 1
    both = check_plugin_config(json.dumps(config(replicas, **{extra: value})))
    assert len(both.problems) > len(before.problems)


@given(documents)
def test_yaml_and_json_of_one_document_get_one_verdict(document: object) -> None:
    """The plugin reads both by the same parser, so the style of a file decides nothing but lines."""
    block, flow = yaml.safe_dump(document), yaml.safe_dump(document, default_flow_style=True)
    one, other = check_plugin_config(block), check_plugin_config(flow)
    assert (one.accepted_by_plugin, one.effective) == (other.accepted_by_plugin, other.effective)
    assert sorted(problem.reason for problem in one.problems) == sorted(problem.reason for problem in other.problems)
