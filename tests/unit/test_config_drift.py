"""Where an object differs from what was sent: fields, named list items, whole lists, and what others added."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.config.drift import changes, differences

SENT = {
    "spec": {
        "replicas": 2,
        "nodeSelector": {"nvidia.com/gpu": "true"},
        "containers": [{"name": "a", "image": "i:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}],
        "tolerations": [{"key": "gpu", "effect": "NoSchedule"}, {"key": "gpu", "effect": "NoExecute"}],
        "drop": ["ALL"],
    }
}
JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3),
    max_leaves=12,
)


def changed(**fields: Any) -> dict[str, Any]:
    """The object with other fields in its spec."""
    return {"spec": {**SENT["spec"], **fields}}


@pytest.mark.parametrize(
    ("live", "paths"),
    [
        (SENT, []),
        (changed(paused=False, containers=[*SENT["spec"]["containers"], {"name": "theirs"}]), []),  # type: ignore[misc]
        (changed(replicas=3), [".spec.replicas"]),
        (changed(nodeSelector={}), [".spec.nodeSelector[nvidia.com/gpu]"]),
        (changed(containers=[{"name": "b"}]), [".spec.containers[name=a]"]),
        (
            changed(containers=[{"name": "b"}, {"name": "a", "image": "i:2", "env": [{"name": "X", "value": "1"}]}]),
            [".spec.containers[name=a].image"],
        ),
        (changed(tolerations=[{"key": "gpu", "effect": "NoSchedule"}]), [".spec.tolerations"]),
        (changed(drop=["ALL", "KILL"]), [".spec.drop"]),
        ({"spec": None}, [".spec"]),
        (None, [".spec"]),
    ],
)
def test_each_field_that_is_not_as_sent_is_named_by_its_path(live: Any, paths: list[str]) -> None:
    """Order of named items and fields of other managers make no difference; a list without names is one value."""
    assert list(differences(SENT, live)) == paths


def test_what_an_apply_takes_away_is_a_change_too() -> None:
    """A key that we no longer send; identity and bookkeeping are none."""
    before = {"metadata": {"resourceVersion": "1"}, "data": {"r2": "a", "old": "b"}}
    after = {"metadata": {"resourceVersion": "2"}, "data": {"r2": "a", "r3": "c"}}

    assert list(changes(before, after)) == [".data.r3", ".data.old"]
    assert list(changes(None, after)) == [".data.r2", ".data.r3"]


@given(JSON)
def test_nothing_differs_from_itself(value: Any) -> None:
    """Whatever it is."""
    assert not list(differences(value, value))


@given(JSON, JSON)
def test_two_that_differ_in_nothing_are_equal_or_one_has_more(sent: Any, live: Any) -> None:
    """No difference both ways means the same value, but for the order of named items."""
    if not list(differences({"x": sent}, {"x": live})) and not list(differences({"x": live}, {"x": sent})):
        assert _plain(sent) == _plain(live)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted(map(repr, map(_plain, value)))
    return int(value) if isinstance(value, bool) else value  # to Python True is 1
