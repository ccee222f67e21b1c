"""The policy file: what it may say, defaults, and that every fault is told with its line.

Covered: defaults fill up mapping by mapping; both kinds of AMI; unknown, duplicate and mistyped keys; broken YAML;
aliases; empty files; groups named twice; a group that is not in it; the example in the repository.
"""

from pathlib import Path

import pytest

from gpuops.domain.errors import Invalid
from gpuops.domain.policy import Pinned, Recommended, parse_policy

FULL = """defaults:
  cluster: train
  drain: {deadline_minutes: 5}
  ami: {architecture: arm64}
groups:
- group: a
- group: b
  drain: {on_deadline: force}
  ami: {channel: pinned, id: ami-0123456789abcdef0, release: tested}
"""


def test_defaults_fill_what_a_group_leaves_out() -> None:
    """Mapping by mapping: a group that sets one key of `drain` keeps the other from the defaults."""
    a, b = parse_policy(FULL, "v7").groups

    assert (a.cluster, a.mode, a.drain.deadline_minutes, a.drain.on_deadline) == ("train", "observe", 5, "fail")
    assert (b.drain.deadline_minutes, b.drain.on_deadline) == (5, "force")
    assert isinstance(a.ami, Recommended)
    assert isinstance(b.ami, Pinned)
    assert (a.ami.architecture, b.ami.id) == ("arm64", "ami-0123456789abcdef0")


FAULTS = [
    ("groups:\n- group: a\n  cluster: x\n  drian: {}\n", "line 4: groups.0.drian: Extra inputs"),
    ("defaults:\n  cluster: x\n  drain:\n    deadlin: 5\ngroups:\n- group: a\n", "line 4: groups.0.drain.deadlin"),
    ("groups:\n- group: a\n  cluster: x\n  surge: 0\n", "line 4: groups.0.surge"),
    ("groups:\n- group: a\n", "line 2: groups.0.cluster: Field required"),
    ("groups:\n- group: a\n  cluster: x\n  ami:\n    channel: pinned\n    id: foo\n    release: r\n", "line 6"),
    ("groups:\n- group: a\n  cluster: x\n  ami: {channel: latest}\n", "line 4: groups.0.ami: Input tag 'latest'"),
    ("groups:\n- group: a\n  cluster: x\n  group: b\n", "line 4: 'group' is given twice"),
    ("groups:\n- {group: a, cluster: x}\n- {group: a, cluster: y}\n", "line 3: group 'a' is named twice"),
    ("windows: []\ngroups:\n- {group: a, cluster: x}\n", "line 1: unknown key 'windows'"),
    ("a: &x 1\nb: *x\n", "line 2: aliases are not supported"),
    ("groups:\n- group: [a\n", "line 3"),
    ("groups:\n- ? [a]\n  : b\n", "line 2: a key must be plain text"),
    ("groups:\n- group: 2026-13-45\n", "line 2: month must be in 1..12"),
    ("defaults: 5\ngroups:\n- {group: a}\n", "line 1: `defaults` must be a mapping"),
    (
        "groups:\n- group: a\n  cluster: x\n  windows: [{from: 22:00, to: '06:00'}]\n",
        "line 4: groups.0.windows.0.from: Value error, 1320 is no time of day: put it in quotes",
    ),
    (
        "groups:\n- group: a\n  cluster: x\n  windows: [{from: '24:00', to: '06:00'}]\n",
        "line 4: groups.0.windows.0.from: String should match",
    ),
    (
        "groups:\n- group: a\n  cluster: x\n  time_zone: Berlin\n",
        "line 4: groups.0.time_zone: Value error, 'Berlin' is no",
    ),
    ("groups:\n- group: a\n  cluster: x\n  time_zone: ../../etc/passwd\n", "is no IANA time zone"),
    ("groups: []\n", "line 1: `groups` must be a list of at least one group"),
    ("[1]\n", "line 1: expected a mapping"),
    ("\n", "line 1: the file is empty"),
    ("a: \x07\n", "fleet.yaml: "),
    ("#" * 300_000, "longer than 262144 characters"),
]


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_every_fault_is_told_with_its_line(text: str, message: str) -> None:
    """An operator who mistyped needs the line, and one clear reason."""
    with pytest.raises(Invalid, match=r"^fleet\.yaml: ") as error:
        parse_policy(text, "v1")

    assert message in str(error.value)


def test_a_group_that_the_policy_does_not_name_is_refused() -> None:
    """What it does not name is not ours to touch; the message says what it names."""
    with pytest.raises(Invalid, match=r"'c' is not in the policy \(version v7\); it names: a, b"):
        parse_policy(FULL, "v7").group("c")


def test_the_example_in_the_repository_is_valid() -> None:
    """It is what the documentation shows and the rehearsal runs."""
    text = (Path(__file__).parents[2] / "fleet.yaml").read_text(encoding="utf-8")

    assert parse_policy(text, "v1").groups


@pytest.mark.parametrize("key", ["nvidia_smi", "cuda_sample"])
def test_an_image_that_no_job_would_take_is_refused_with_its_line(key: str) -> None:
    """Found at the upload, not when the first node is abandoned for it."""
    text = f"groups:\n- cluster: train\n  group: gpu\n  smoke:\n    {key}: 'nvcr.io/a b'\n"

    with pytest.raises(Invalid, match=f"line 5: groups.0.smoke.{key}"):
        parse_policy(text, "v1")


def test_no_policy_has_a_healthy_cluster_evacuated_for_an_xid() -> None:
    """`evacuate` asks neither budget nor breaker, since AWS takes the instance anyway: no Xid means that."""
    text = "groups:\n- cluster: train\n  group: gpu\n  remediation:\n    xids: {172: evacuate}\n"

    with pytest.raises(Invalid, match=r"line 5: groups\.0\.remediation\.xids\.172"):
        parse_policy(text, "v1")


def test_a_group_may_only_name_a_sharing_that_its_cluster_offers() -> None:
    """A node labelled with a key that no configuration has would lose its GPUs."""
    text = """
clusters:
  - cluster: demo
    device_plugin: {profiles: {burst: {replicas: 10}}}
groups:
  - {cluster: demo, group: a, sharing: burst}
  - {cluster: demo, group: b, sharing: r5}
"""
    with pytest.raises(Invalid, match=r"line 7: group 'b': sharing 'r5' is none of burst, exclusive, r2, "):
        parse_policy(text, "v1")

    policy = parse_policy(text.replace("r5", "r8"), "v1")
    assert [policy.group(name).sharing for name in "ab"] == ["burst", "r8"]
    assert (policy.cluster("demo").config_map, policy.cluster("other").mode) == (None, "observe")
