"""A scenario file: read whole, or refused with file and line.

Covers: the default scenario; lookup by name and path; unknown keys, wrong values, dangling names, repeated keys,
broken YAML, missing files; files named inside; the schema.
"""

import json
from pathlib import Path

import pytest

from rehearsal.scenario import SCENARIOS, ScenarioError, load, names, parse, schema

SMALL = """\
name: small
cluster: demo
zones:
  - name: us-east-1a
releases:
  - {release: 1.36.2-20260714, ami: ami-0a202607140000001, driver: 580.159.03}
groups:
  - name: gpu
    instance_type: g4dn.xlarge
    zones: [us-east-1a]
    size: 2
    max: 2
    release: 1.36.2-20260714
"""


def refusal(text: str) -> str:
    """What the loader says about a text it must refuse."""
    with pytest.raises(ScenarioError) as raised:
        parse(Path("s.yaml"), text)
    return str(raised.value)


@pytest.mark.parametrize("name", names())
def test_every_scenario_of_the_project_loads(name: str) -> None:
    """A scenario that cannot be loaded is never rehearsed, so none may rot."""
    assert load(name).name == name


def test_the_default_scenario_is_the_documented_world() -> None:
    """Issue and README promise these sizes; changing them silently would change what a pass means."""
    roll = load("roll")
    regular, gpu = roll.groups

    assert (regular.kind, regular.size, regular.instance_type) == ("regular", 2, "m7i.large")
    assert (gpu.kind, gpu.size, gpu.max, len(gpu.zones)) == ("self_managed", 6, 6, 2)
    assert roll.release_of(gpu).driver is not None
    assert roll.release_of(regular).driver is None
    assert {(w.kind, w.name, w.replicas, w.gpus, w.min_available) for w in roll.workloads if w.gpus} == {
        ("deployment", "inference", 4, 1, 3),
        ("job", "training", 1, 1, None),
    }
    assert [r.at for r in roll.releases if r.at] == [600]


def test_a_path_is_as_good_as_a_name() -> None:
    """People rehearse files of their own."""
    assert load(str(SCENARIOS / "roll.yaml")) == load("roll")


def test_an_unknown_name_lists_the_known_ones() -> None:
    """The answer to a typo is the list of what there is."""
    with pytest.raises(ScenarioError, match=r"rol: no such scenario.*by name: .*roll"):
        load("rol")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "    size: 2",
            "    sise: 2",
            ["s.yaml:11: groups.0.sise: unknown key", "s.yaml:8: groups.0.size: Field required"],
        ),
        ("    size: 2", "    size: two", ["s.yaml:11: groups.0.size: "]),
        ("    size: 2", "    size: 3", ["s.yaml:11: groups.0.size: size 3 is not between min 0 and max 2"]),
        ("[us-east-1a]", "[us-east-1b]", ["s.yaml:10: groups.0.zones.0: no zone named 'us-east-1b'"]),
        ("release: 1.36.2-20260714\n", "release: '1'\n", ["s.yaml:13: groups.0.release: no release '1'"]),
        ("cluster: demo", "cluster: Demo_1", ["s.yaml:2: cluster: "]),
        ("cluster: demo\n", "", ["s.yaml:1: cluster: Field required"]),
        ("cluster: demo", "cluster: demo\ncluster: other", ["s.yaml:3: cluster is there twice"]),
        ("cluster: demo", "cluster: [demo", ["s.yaml:3: "]),
        (
            "name: small",
            "name: small\ntimeline: [{at: 5, abort: x, start: {machine: y}}]",
            ["s.yaml:2: timeline.0: give "],
        ),
        (
            "name: small",
            "name: small\ntimeline: [{at: 5, terminate: cpu}]",
            ["s.yaml:2: timeline.0.terminate: no group"],
        ),
        ("name: small", "name: small\ntimeline: 5", ["s.yaml:2: timeline: "]),
        ("name: small", "name: small\ntrigger: {kind: execution}", ["s.yaml:2: trigger: a trigger of kind execution"]),
        ("name: small", "name: small\npolicy: nowhere.yaml", ["s.yaml:2: no file 'nowhere.yaml'"]),
        ("name: small", "name: small\ntrigger: {kind: event, event: no.json}", ["s.yaml:2: no file 'no.json'"]),
    ],
)
def test_a_bad_file_is_refused_with_file_and_line(old: str, new: str, expected: list[str]) -> None:
    """Each kind of mistake is found, where it stands."""
    assert old in SMALL
    said = refusal(SMALL.replace(old, new))
    for part in expected:
        assert part in said


@pytest.mark.parametrize("text", ["", "- a list", "just words"])
def test_something_else_than_a_mapping_is_refused(text: str) -> None:
    """An empty file and a list have no keys to complain about."""
    assert refusal(text).startswith("s.yaml:1: a scenario is a mapping")


def test_one_release_with_two_images_must_be_named_by_its_ami() -> None:
    """AWS publishes the CPU and the GPU variant under one version."""
    second = "  - {release: 1.36.2-20260714, ami: ami-0a20260714000000c}\ngroups:"
    said = refusal(SMALL.replace("groups:", second))
    assert "s.yaml:14: groups.0.release: 1.36.2-20260714 has several images" in said


def test_files_named_in_a_scenario_are_read_with_it(tmp_path: Path) -> None:
    """The policy's text stays as it is, so that a broken policy reaches the product broken; an event is JSON."""
    (tmp_path / "fleet.yaml").write_text("groups: [broken")
    (tmp_path / "event.json").write_text(json.dumps({"source": "gpuops"}))
    extra = "policy: fleet.yaml\ntrigger: {kind: event, event: event.json}\n"
    (tmp_path / "mine.yaml").write_text(SMALL + extra)

    scenario = load("mine", folder=tmp_path)

    assert scenario.policy_text == "groups: [broken"
    assert scenario.trigger.event == {"source": "gpuops"}


def test_an_inline_policy_is_uploaded_as_yaml() -> None:
    """The product reads YAML, wherever it was written."""
    assert parse(Path("s.yaml"), SMALL + "policy: {mode: apply}\n").policy_text == "mode: apply\n"


def test_the_schema_is_strict() -> None:
    """An editor with the schema marks unknown keys as the loader does."""
    described = schema()
    assert described["additionalProperties"] is False
    assert described["$defs"]["Group"]["additionalProperties"] is False
    assert "gpu" not in described["properties"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("timeline: [{at: 1, delete: {kind: Widget, name: w}}]", "s.yaml:14: timeline.0.delete.kind: no kind"),
        (
            "timeline: [{at: 1, remove_taint: {group: gqu, key: k}}]",
            "timeline.0.remove_taint.group: no group",
        ),
        (
            "timeline: [{at: 1, machine_fault: {group: gpu, faults: [xid_seven]}}]",
            "faults.0: String should",
        ),
        ("timeline: [{at: 1, machine_fault: {group: gpu, faults: [never_registers]}}]", "use a release's faults"),
        ("timeline: [{at: 1, replace_root_volume: {group: gqu}}]", "timeline.0.replace_root_volume.group: no group"),
        ("timeline: [{at: 1, steer: {wish: pause}}]", "timeline.0.steer: pause is about the runs of a machine"),
        (
            "timeline: [{at: 1, steer: {wish: stop, machine: rotate_ami}}]",
            "timeline.0.steer: stop is about all of them",
        ),
        ("expect: {nodes: [{group: gqu}]}", "s.yaml:14: expect.nodes.0.group: no group named 'gqu'"),
        ("expect: {suspended: {gqu: [Launch]}}", "s.yaml:14: expect.suspended.gqu: no group named 'gqu'"),
        ("expect: {groups: {gqu: {max: 1}}}", "s.yaml:14: expect.groups.gqu: no group named 'gqu'"),
        ("expect: {peak_calls: {Describe: 1}}", "expect.peak_calls.Describe"),
        ("workloads: [{kind: job, name: w, preset: gpu_operator}]", "workloads.0: a preset is a daemonset"),
    ],
)
def test_what_names_nothing_is_refused_with_its_line(more: str, expected: str) -> None:
    """A moment or an expectation that matched nothing would pass for the wrong reason."""
    assert expected in refusal(SMALL + more + "\n")


def test_every_kind_of_moment_and_expectation_is_read() -> None:
    """As the scenarios of GPU configuration, admission and smoke write them."""
    scenario = parse(
        Path("s.yaml"),
        SMALL
        + """\
timeline:
  - {at: 1, delete: {kind: DaemonSet, namespace: gpuops-system, name: gpuops-device-plugin}}
  - {at: 2, patch: {kind: ConfigMap, namespace: gpuops-system, name: gpuops-device-plugin, patch: {data: {r4: x}}}}
  - {at: 3, remove_taint: {group: gpu, key: nvidia.com/gpu}}
  - {at: 4, machine_fault: {group: gpu, index: 1, faults: [xid_79, ecc_uncorrectable]}}
  - {at: 5, replace_root_volume: {group: gpu}}
  - {at: 6, steer: {wish: pause, machine: rotate_ami, reason: a demonstration}}
  - {at: 7, steer: {wish: stop}}
expect:
  nodes: [{group: gpu, count: 2, allocatable: 4, labels: {a: b}, schedulable: true}]
  pods: [{workload: inference, running: 4, pending: 1, on_nodes: 1}]
  logs: [{workload: inference, contains: "CUDA Version"}]
  metrics: [DCGM_FI_DEV_GPU_UTIL]
  objects: [{kind: DaemonSet, namespace: gpuops-system, name: gpuops-device-plugin, exists: false}]
  suspended: {gpu: [Launch]}
  escalations: 1
  messages: [{contains: [gpuops approve], count: 2}]
  executions: [{machine: rotate_ami, status: SUCCEEDED, ended_after: 60, ended_before: 90}]
  job_pods_may_be_evicted: true
  groups: {gpu: {max: 3}}
  peak_calls: {"autoscaling:DescribeAutoScalingInstances": 20}
""",
    )

    assert [moment.group for moment in scenario.timeline] == [None, None, "gpu", "gpu", "gpu", None, None]
    assert [patch.manager for moment in scenario.timeline if (patch := moment.patch)] == ["kubectl-edit"]
    assert scenario.expect.groups["gpu"].model_dump(exclude_none=True) == {"max": 3}
