"""Bottlerocket's settings as groups write them: what is read, the one line that an edit adds, what is refused.

Covered: taints in a table of their own, in dotted keys at each depth, inline, and none; comments, line ends,
compression and the sharing of GPUs kept; an old single value; a taint that is there already; faults of TOML, of shape.
"""

import base64
import gzip
import tomllib

import pytest

from gpuops.domain.errors import Invalid
from gpuops.domain.keys import STARTUP_TAINT, STARTUP_TAINT_KEY, Taint
from gpuops.domain.userdata import parse_user_data, with_startup_taint

GPU = Taint(key="nvidia.com/gpu", value="true", effect="NoSchedule")
ENTRY = f'"{STARTUP_TAINT_KEY}" = ["pending:NoSchedule"]'
HEAD = """\
# ours
[settings.kubernetes]
cluster-name = "demo"  # the cluster
api-server = "https://demo"

"""
LABELS = """\
[settings.kubernetes.node-labels]
"nvidia.com/gpu" = "true"

"""
TAINTS = """\
[settings.kubernetes.node-taints]
"nvidia.com/gpu" = ["true:NoSchedule"]
"""
SHARING = """
[settings.kubelet-device-plugins.nvidia]
device-sharing-strategy = "time-slicing"

[settings.kubelet-device-plugins.nvidia.time-slicing]
replicas = 4
rename-by-default = false
"""


def b64(text: str | bytes) -> str:
    """As EC2 hands user data out."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def edited(text: str) -> str:
    """The text after one edit."""
    return base64.b64decode(with_startup_taint(b64(text))).decode()


def test_labels_taints_and_cluster_are_read() -> None:
    """What kubelet registers with; the family is told by the text."""
    view = parse_user_data(b64(HEAD + LABELS + TAINTS))

    assert (view.cluster, view.labels, view.taints) == ("demo", {"nvidia.com/gpu": "true"}, (GPU,))
    assert (view.family, view.parts) == ("bottlerocket", 1)


def test_the_edit_adds_one_line_to_the_table_of_taints_and_leaves_every_other_byte() -> None:
    """Comments, and how the GPUs are shared, are the operator's."""
    whole = HEAD + TAINTS + SHARING

    assert edited(whole) == whole.replace("node-taints]\n", f"node-taints]\n{ENTRY}\n")
    assert set(parse_user_data(b64(edited(whole))).taints) == {STARTUP_TAINT, GPU}
    assert edited(edited(whole)) == edited(whole)


def test_without_a_table_of_taints_one_is_appended() -> None:
    """After everything that stands there."""
    assert edited(HEAD + SHARING) == f"{HEAD}{SHARING}\n[settings.kubernetes.node-taints]\n{ENTRY}\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + 'node-taints."nvidia.com/gpu" = ["true:NoSchedule"]\n',
        '[settings]\nkubernetes.node-taints."nvidia.com/gpu" = ["true:NoSchedule"]\n',
        'settings.kubernetes.node-taints."nvidia.com/gpu" = ["true:NoSchedule"]\n',
        HEAD + 'node-taints = {"nvidia.com/gpu" = ["true:NoSchedule"]}\n',
        '[settings]\nkubernetes = {cluster-name = "demo", node-taints = {"nvidia.com/gpu" = ["true:NoSchedule"]}}\n',
        'settings = {kubernetes = {node-taints = {"nvidia.com/gpu" = ["true:NoSchedule"]}}}\n',
        HEAD + '[ settings . "kubernetes" . node-taints ] # ours\n"nvidia.com/gpu" = "true:NoSchedule"\n',
        (HEAD + TAINTS).replace("\n", "\r\n"),
        HEAD + TAINTS.rstrip(),
    ],
)
def test_the_taint_is_added_however_the_others_are_written(text: str) -> None:
    """Whatever else is said stays said."""
    new = edited(text)

    assert set(parse_user_data(b64(new)).taints) == {STARTUP_TAINT, GPU}
    data = tomllib.loads(new)
    del data["settings"]["kubernetes"]["node-taints"][STARTUP_TAINT_KEY]
    assert data == tomllib.loads(text)
    assert ("\r\n" in new) == ("\r\n" in text)
    assert "\n\n\n" not in new


def test_what_only_looks_like_a_table_is_left_alone() -> None:
    """A header inside a text of several lines is text."""
    motd = 'motd = """\n[settings.kubernetes.node-taints]\n"""\n'

    assert edited(f"[settings]\n{motd}{TAINTS}") == f"[settings]\n{motd}{TAINTS}".replace(
        '\n"nvidia', f'\n{ENTRY}\n"nvidia'
    )


def test_compressed_settings_stay_compressed() -> None:
    """Bottlerocket takes gzip."""
    new = with_startup_taint(b64(gzip.compress((HEAD + TAINTS).encode())))

    assert gzip.decompress(base64.b64decode(new)).decode() == edited(HEAD + TAINTS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[settings.kubernetes\n", "begins like Bottlerocket's settings, but is no TOML: Expected ']'"),
        ("[settings]\nkubernetes = 1\n", "user data: settings.kubernetes is no table"),
        ('[settings.kubernetes]\nnode-taints = ["a=b:NoSchedule"]\n', "settings.kubernetes.node-taints is no table"),
        ("[settings.kubernetes]\nnode-labels = 5\n", "settings.kubernetes.node-labels is no table"),
        ('[settings.kubernetes.node-taints]\na = ["b"]\n', "'a=b' is no taint"),
        (
            f'[settings.kubernetes.node-taints]\n"{STARTUP_TAINT_KEY}" = ["x:NoExecute"]\n',
            "write pending:NoSchedule there",
        ),
        (HEAD + TAINTS + "# " + "x" * (16 * 1024), "EC2 takes 16384"),
    ],
)
def test_settings_that_cannot_be_edited_are_refused_with_one_reason(text: str, says: str) -> None:
    """Before anything of the group is touched."""
    with pytest.raises(Invalid) as error:
        with_startup_taint(b64(text))

    assert says in str(error.value)
