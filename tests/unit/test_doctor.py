"""What the doctor makes of what it saw, case by case; the whole of it runs in tests/rehearsal/test_doctor.py.

Covers: the way to the endpoint, authentication modes, access entries, tags, taint, hooks, quotas, plugins, exporters,
metrics, alarms, a manifest compared with what an apiserver made of it.
"""

import base64
import json
import shlex
from dataclasses import replace

import pytest

from cli.checks.agents import judge_exporter, judge_metrics, judge_plugin, judge_reach
from cli.checks.facts import (
    Agent,
    Check,
    Cluster,
    Hook,
    Inside,
    Managed,
    NodeGroup,
    Sight,
    Stack,
    Template,
    Unseen,
    look,
)
from cli.checks.group import judge_group, judge_quotas, vcpus_needed
from cli.checks.inside import contains
from cli.checks.launched import judge_role
from cli.checks.stack import (
    judge_alarms,
    judge_approvals,
    judge_cluster,
    judge_entries,
    judge_path,
    judge_rbac,
    judge_stack,
)
from gpuops.domain.errors import Refused
from gpuops.domain.keys import STARTUP_TAINT, STARTUP_TAINT_KEY
from gpuops.domain.policy import Approval, ClusterPolicy, GroupPolicy, Policy
from gpuops.domain.quotas import quota_code
from gpuops.domain.rotation.group import Group
from gpuops.domain.userdata import parse_user_data

NODE_CONFIG = """\
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    flags: ["--register-with-taints={taints}"]
"""
ROLE = "arn:aws:iam::123456789012:role/gpuops-DrainNode"
NODE_ROLE = "arn:aws:iam::123456789012:role/gpu-nodes"
STACK = Stack(
    name="gpuops",
    status="UPDATE_COMPLETE",
    parameters={"ClusterName": "demo"},
    resources={
        "DrainNodeAccess": ("AWS::EKS::AccessEntry", f"{ROLE}|demo"),
        "LaunchSuspendedAlarm": ("AWS::CloudWatch::Alarm", "gpuops-Launch"),
    },
    groups={"DrainNodeAccess": ("gpuops-drainers",)},
    alarms={
        "LaunchSuspendedAlarm": {
            "MetricName": "LaunchSuspended",
            "AlarmDescription": "a group's",
            "OKActions": {"Fn::If": []},
        }
    },
)
CLUSTER = Cluster("demo", "ACTIVE", "API", ("0.0.0.0/0",))
POLICY = GroupPolicy(cluster="demo", group="gpu")
UNSEEN = Unseen("AccessDenied")
AGENT = Agent("kube-system/nvidia-dcgm-exporter", 2, 2)
SIGHT = Sight("me", STACK, CLUSTER, {}, {}, (), Inside((), (AGENT,), (AGENT,)), ("n1", "DCGM_FI_DEV_GPU_UTIL 1\n"))


def user_data(*taints: str) -> str:
    """What a launch template holds."""
    return base64.b64encode(NODE_CONFIG.format(taints=",".join(taints)).encode()).decode()


def group(*taints: str, hooks: tuple[Hook, ...] = (Hook("gpuops-admit", "CONTINUE", 900),), tag: str = "demo") -> NodeGroup:  # fmt: skip  # noqa: E501 - one signature
    """A group as the doctor saw it."""
    data = user_data(*taints)
    template = Template("lt-1", "3", {"gpuops:cluster": tag}, data, look(lambda: parse_user_data(data)))
    launch = {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"}}
    described = Group(name="gpu", max=4, desired=2, instances=(), launch=launch, tags={"gpuops:cluster": tag})
    return NodeGroup(described, hooks, (template,), {"g4dn.xlarge": 4}, marks={"i-1": tag}, role=NODE_ROLE)


def of_group(seen: NodeGroup | Unseen) -> dict[str, Check]:
    """The lines about a group."""
    return {check.name.removeprefix("gpu: "): check for check in judge_group(seen, POLICY)}


@pytest.mark.parametrize(
    ("parameters", "cluster", "ok", "mend"),
    [
        ({}, {}, True, ""),
        ({}, {"public_from": ()}, False, "SubnetIds="),
        ({}, {"public_from": ("10.0.0.0/8",)}, False, "SubnetIds="),
        ({"SubnetIds": "s-1,s-2", "SecurityGroupIds": "sg-f"}, {"public_from": ()}, True, ""),
        ({"SubnetIds": "s-1", "SecurityGroupIds": "sg-f"}, {"security_group": "sg-c"}, False, "--source-group sg-f"),
        ({"SubnetIds": "s-1", "SecurityGroupIds": "sg-f"}, {"security_group": "sg-c", "lets_in": {"sg-f"}}, True, ""),
        ({"SubnetIds": "s-1", "SecurityGroupIds": "sg-c"}, {"security_group": "sg-c"}, True, ""),
        ({"SubnetIds": "s-1"}, {"security_group": "sg-c"}, False, "SecurityGroupIds="),
    ],
)
def test_the_functions_need_a_way_to_the_endpoint(
    parameters: dict[str, str], cluster: dict[str, object], *, ok: bool, mend: str
) -> None:
    """From a VPC whose group is let in, or from anywhere."""
    check = judge_path(replace(STACK, parameters=parameters), replace(CLUSTER, **cluster))  # type: ignore[arg-type]
    assert check.ok == ok
    assert mend in check.mend


@pytest.mark.parametrize(
    ("mode", "ok"), [("API", True), ("API_AND_CONFIG_MAP", True), ("CONFIG_MAP", False), ("", False)]
)
def test_the_cluster_must_take_access_entries(mode: str, *, ok: bool) -> None:
    """Without them no role of ours gets in."""
    assert judge_cluster(replace(CLUSTER, authentication=mode), "demo").ok == ok
    assert not judge_cluster(UNSEEN, "demo").ok


def test_an_access_entry_is_made_or_given_its_groups() -> None:
    """Each with the command that fits."""
    assert judge_entries({ROLE: ("gpuops-drainers",)}, STACK, "demo").ok
    assert "create-access-entry" in judge_entries({ROLE: None}, STACK, "demo").mend
    changed = judge_entries({ROLE: ("gpuops-readers",)}, STACK, "demo")
    assert not changed.ok
    assert "update-access-entry" in changed.mend
    assert not judge_entries(UNSEEN, STACK, "demo").ok
    assert not judge_entries({}, replace(STACK, groups={}), "demo").ok


def test_a_stack_in_the_middle_of_something_is_not_ok() -> None:
    """Nor one that rolled its creation back."""
    assert judge_stack(SIGHT, "gpuops", "demo").ok
    for status in ("ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS", "DELETE_FAILED"):
        assert not judge_stack(replace(SIGHT, stack=replace(STACK, status=status)), "gpuops", "demo").ok


def test_a_group_that_lacks_nothing_has_only_ok_lines() -> None:
    """Tags, taint and hook."""
    checks = of_group(group(str(STARTUP_TAINT)))
    assert all(check.ok for check in checks.values())
    assert list(checks) == [
        "tag of its instances",
        "tag of the group",
        "tag of the launch template",
        "startup taint",
        "launch hook",
    ]


def test_the_command_for_the_startup_taint_makes_the_very_version_that_registers_it() -> None:
    """Not advice: its user data is the edited one."""
    check = of_group(group("nvidia.com/gpu=true:NoSchedule"))["startup taint"]
    assert not check.ok
    words = shlex.split(check.mend)
    edited = json.loads(words[words.index("--launch-template-data") + 1])["UserData"]
    assert [taint.key for taint in parse_user_data(edited).taints] == [STARTUP_TAINT_KEY, "nvidia.com/gpu"]
    assert "update-auto-scaling-group" in check.mend


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (Hook("team-b", "CONTINUE", 900), "no launch hook"),
        (Hook("gpuops-admit", "ABANDON", 900), "ABANDON"),
        (Hook("gpuops-admit", "CONTINUE", 600), "600 s, a smoke up to 600 s"),
    ],
)
def test_a_hook_must_be_ours_go_on_and_outlast_a_smoke(hook: Hook, words: str) -> None:
    """Otherwise instances are admitted by nobody, or replaced for ever."""
    check = of_group(group(str(STARTUP_TAINT), hooks=(hook,)))["launch hook"]
    assert not check.ok
    assert words in check.found
    assert "--heartbeat-timeout 900 --default-result CONTINUE" in check.mend


def test_tags_must_name_this_cluster_and_a_group_that_is_not_seen_is_one_line() -> None:
    """The stack's roles are tied to the tag's value."""
    checks = of_group(group(str(STARTUP_TAINT), tag="another"))
    assert [name for name, check in checks.items() if not check.ok] == [
        "tag of its instances",
        "tag of the group",
        "tag of the launch template",
    ]
    assert [check.ok for check in of_group(UNSEEN).values()] == [False]


def test_quotas_cover_full_groups_and_their_surge() -> None:
    """In vCPUs, by family; what cannot be read is not ok."""
    needed = vcpus_needed({"gpu": group(), "other": UNSEEN}, {"gpu": POLICY})
    assert needed == {"L-DB2E81BA": (4 + 1) * 4}
    assert [check.ok for check in judge_quotas(needed, {"L-DB2E81BA": 20.0})] == [True]
    (low,) = judge_quotas(needed, {"L-DB2E81BA": 8.0})
    assert (low.ok, low.mend.endswith("--desired-value 20")) == (False, True)
    (blind,) = judge_quotas(needed, {"L-DB2E81BA": UNSEEN})
    assert (blind.ok, blind.found) == (False, "cannot read: AccessDenied")


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        ("g4dn.xlarge", "L-DB2E81BA"),
        ("g6e.12xlarge", "L-DB2E81BA"),
        ("p4d.24xlarge", "L-417A185B"),
        ("m7i.large", None),
    ],
)
def test_each_family_has_its_quota(type_: str, code: str | None) -> None:
    """G and VT share one, P has another, and the rest is no business of ours."""
    assert quota_code(type_) == code


def test_one_device_plugin_ready_everywhere() -> None:
    """None, two, or one that is not up are all named; who installs it depends on the policy."""
    theirs, ours = ClusterPolicy(cluster="demo"), ClusterPolicy(cluster="demo", mode="apply")
    assert judge_plugin(Inside((), (AGENT,), ()), theirs).ok
    assert not judge_plugin(Inside((), (replace(AGENT, ready=1),), ()), theirs).ok
    assert "delete daemonset" in judge_plugin(Inside((), (AGENT, AGENT), ()), theirs).mend
    assert judge_plugin(Inside((), (), ()), ours).mend.startswith("gpuops run apply_gpu_config")
    assert "manage: true" in judge_exporter(Inside((), (), ()), theirs).mend
    assert not judge_exporter(UNSEEN, ours).ok


def test_metrics_count_only_with_series() -> None:
    """An exporter that answers nothing measures nothing."""
    assert judge_metrics(SIGHT).ok
    for metrics in (("n1", None), ("n1", "# HELP nothing\n"), UNSEEN):
        check = judge_metrics(replace(SIGHT, metrics=metrics))
        assert not check.ok
        assert check.mend == "kubectl -n kube-system rollout restart daemonset nvidia-dcgm-exporter"
    assert not judge_metrics(replace(SIGHT, inside=UNSEEN)).ok


def test_an_alarm_that_somebody_deleted_is_put_back_by_its_own_definition() -> None:
    """A deploy would not notice; a stack without any alarm is an old one."""
    assert judge_alarms({"gpuops-Launch": True}, STACK).ok
    gone = judge_alarms({"gpuops-Launch": False}, STACK)
    assert not gone.ok
    said = json.loads(shlex.split(gone.mend)[-1])
    assert said == {"AlarmName": "gpuops-Launch", "MetricName": "LaunchSuspended", "AlarmDescription": "a group's"}
    assert judge_alarms({}, STACK).mend.startswith("make deploy")
    assert not judge_alarms(UNSEEN, STACK).ok


def test_what_others_refuse_is_not_ok_with_the_reason() -> None:
    """Our five errors and the SDK's become one line."""

    def refuse() -> str:
        raise Refused("forbidden:\n  no")

    assert look(refuse) == Unseen("forbidden: no")
    assert not judge_rbac(UNSEEN, "demo").ok
    assert "create-access-entry" in judge_reach(Unseen("401"), "me", "demo").mend


def test_defaults_of_the_apiserver_are_no_difference() -> None:
    """What we sent must be there; what it added may stand beside it, but no further rule."""
    sent = {"rules": [{"verbs": ["get"]}]}
    assert contains(sent, {"rules": [{"verbs": ["get"], "scope": "*"}], "uid": "1"})
    assert not contains(sent, {"rules": [{"verbs": ["get"]}, {"verbs": ["*"]}]})
    assert not contains(sent, {"rules": [{"verbs": ["list"]}]})
    assert not contains(sent, {})


@pytest.mark.parametrize("parameter", ["ApprovalTopicArn", "AlarmTopicArn", None])
def test_a_group_that_asks_for_approvals_needs_a_topic(parameter: str | None) -> None:
    """Without one each of its runs would be refused; and where nobody asks, nobody needs one."""
    asks = POLICY.model_copy(update={"approval": Approval(required=True)})
    given = {parameter: "arn:topic"} if parameter else {}
    stack = replace(STACK, parameters={**STACK.parameters, **given})

    (check,) = judge_approvals(Policy(version="v1", groups=(asks,)), stack)
    assert (check.ok, "ApprovalTopicArn=<topic>" in check.mend) == (parameter is not None, True)
    assert ("arn:topic" if parameter else "every run of gpu is refused") in check.found
    assert list(judge_approvals(Policy(version="v1", groups=(POLICY,)), stack)) == []
    assert list(judge_approvals(UNSEEN, stack)) == list(judge_approvals(Policy(version="v1", groups=(asks,)), UNSEEN))


def of_managed(managed: Managed | Unseen, nodegroup: str | None = "gpu") -> dict[str, Check]:
    """The lines about a group that EKS made."""
    seen = group()
    made = replace(seen.group, tags={"eks:nodegroup-name": "gpu", "eks:cluster-name": "demo"})
    policy = GroupPolicy(
        cluster="demo", group="eks-gpu-0a", nodegroup=nodegroup, strategy="managed" if nodegroup else "surge"
    )
    checks = judge_group(replace(seen, group=made, managed=managed), policy)
    return {check.name.removeprefix("eks-gpu-0a: "): check for check in checks}


def test_a_managed_group_is_mended_through_eks_alone() -> None:
    """A hook, a tag or a template of ours on what EKS owns would be in its way."""
    arn = "arn:aws:eks:us-east-1:123456789012:nodegroup/demo/gpu/1"
    good = of_managed(Managed(arn, {"gpuops:cluster": "demo"}, frozenset({STARTUP_TAINT_KEY})))
    bare = of_managed(Managed(arn, {}, frozenset()), nodegroup=None)

    assert all(check.ok for check in good.values())
    assert {name for name, check in bare.items() if not check.ok} == {
        "node group",
        "tag of the node group",
        "startup taint",
    }
    assert not any("aws autoscaling" in check.mend or "aws ec2" in check.mend for check in bare.values())
    assert f"tag-resource --resource-arn {arn} --tags gpuops:cluster=demo" in bare["tag of the node group"].mend


def test_a_managed_group_that_cannot_be_read_is_not_well() -> None:
    """Not knowing is never well."""
    checks = of_managed(UNSEEN)

    assert (checks["node group"].ok, checks["tag and taint of the node group"].ok) == (True, False)


def test_instances_without_the_tag_are_named_with_the_command_that_gives_it() -> None:
    """Those that were launched before the group propagated it can be neither rebooted nor fenced at night."""
    mixed = replace(group(), marks={"i-1": "demo", "i-2": None, "i-3": "other"})
    many = replace(group(), marks={f"i-{number}": None for number in range(7)})
    unseen = replace(group(), marks=UNSEEN)

    check = of_group(mixed)["tag of its instances"]
    assert (check.ok, check.found) == (False, "not gpuops:cluster=demo: i-2, i-3")
    assert check.mend == "aws ec2 create-tags --resources i-2 i-3 --tags Key=gpuops:cluster,Value=demo"
    assert of_group(many)["tag of its instances"].found.endswith("i-4 and 2 more")
    assert "cannot read: AccessDenied" in of_group(unseen)["tag of its instances"].found
    assert of_group(replace(group(), marks={}))["tag of its instances"].ok


@pytest.mark.parametrize(
    ("given", "role", "ok"),
    [(NODE_ROLE, NODE_ROLE, True), ("", NODE_ROLE, False), (ROLE, NODE_ROLE, False), (NODE_ROLE, UNSEEN, False)],
    ids=["the same", "not given", "another", "unreadable"],
)
def test_the_role_of_the_nodes_must_be_the_one_that_the_stack_may_pass_on(
    given: str, role: str | Unseen, *, ok: bool
) -> None:
    """Or the first roll ends where it gives the group its new version."""
    stack = replace(STACK, parameters={"ClusterName": "demo", "NodeRoleArn": given})

    (check,) = judge_role({"gpu": replace(group(), role=role)}, stack)

    assert (check.name, check.ok) == ("gpu: node role", ok)
    assert ok or isinstance(role, Unseen) or f"NodeRoleArn={NODE_ROLE}" in check.mend


def test_no_role_is_judged_where_none_is_passed_or_nothing_is_seen() -> None:
    """What cannot be read at all has its own line."""
    assert list(judge_role({"gpu": replace(group(), role=None), "lost": UNSEEN}, STACK)) == []
    assert list(judge_role({"gpu": group()}, UNSEEN)) == []
