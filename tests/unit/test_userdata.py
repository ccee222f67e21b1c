"""User data as groups write it: what is read, what one edit changes, and what is refused with a reason."""

import base64
import gzip

import pytest

from gpuops.domain.errors import Invalid
from gpuops.domain.keys import STARTUP_TAINT, Taint
from gpuops.domain.userdata import parse_user_data, with_startup_taint

PLAIN = """\
---
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster:
    name: demo   # the operator's comment
  kubelet:
    flags:
      - --node-labels=nvidia.com/gpu=true,team=ml
      - "--register-with-taints=nvidia.com/gpu=true:NoSchedule"  # another
"""
BARE = """\
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster:
    name: demo
"""
GPU = Taint(key="nvidia.com/gpu", value="true", effect="NoSchedule")


def b64(text: str | bytes) -> str:
    """As EC2 hands user data out."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def text_of(user_data: str) -> str:
    """The inside of what EC2 hands out."""
    return base64.b64decode(user_data).decode()


def mime(*parts: tuple[str, str], end: str = "\n") -> str:
    """A multipart archive as cloud-init reads it."""
    lines = ["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="//"', ""]
    for kind, body in parts:
        lines += ["--//", f"Content-Type: {kind}", "", body]
    return end.join([*lines, "--//--", ""])


NODE = "application/node.eks.aws"
SCRIPT = ("text/x-shellscript; charset=us-ascii", "#!/bin/bash\necho --register-with-taints=x=y:NoSchedule")


def test_labels_taints_and_cluster_are_read_from_a_plain_nodeconfig() -> None:
    """The shape of nodeadm's own documentation."""
    view = parse_user_data(b64(PLAIN))

    assert view.labels == {"nvidia.com/gpu": "true", "team": "ml"}
    assert view.taints == (GPU,)
    assert (view.cluster, view.parts) == ("demo", 1)


def test_the_edit_adds_one_taint_to_the_one_flag_and_leaves_every_other_byte() -> None:
    """Comments and quotes are the operator's."""
    edited = text_of(with_startup_taint(b64(PLAIN)))

    assert edited == PLAIN.replace("taints=nvidia", f"taints={STARTUP_TAINT},nvidia")
    assert parse_user_data(b64(edited)).taints == (STARTUP_TAINT, GPU)


def test_a_second_edit_changes_nothing() -> None:
    """A repeated open_change must not make a third launch template."""
    once = with_startup_taint(b64(PLAIN))

    assert with_startup_taint(once) == once


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_of_several_nodeconfigs_the_last_flag_is_edited_because_it_wins(end: str) -> None:
    """Kubelet lets a later flag replace an earlier one; scripts between are left alone, line ends too."""
    first = PLAIN.replace("\n", end)
    last = PLAIN.replace("nvidia.com/gpu=true:NoSchedule", "last=:NoExecute").replace("\n", end)
    archive = mime((NODE, first), SCRIPT, (NODE, last), end=end)

    edited = text_of(with_startup_taint(b64(archive)))

    assert edited == archive.replace("taints=last", f"taints={STARTUP_TAINT},last")
    assert parse_user_data(b64(edited)).taints == (STARTUP_TAINT, Taint(key="last", effect="NoExecute"))


def test_labels_of_several_nodeconfigs_are_merged() -> None:
    """`--node-labels` adds up where `--register-with-taints` replaces."""
    view = parse_user_data(b64(mime((NODE, PLAIN), (NODE, PLAIN.replace("team=ml", "team=web,zone=a")))))

    assert view.labels == {"nvidia.com/gpu": "true", "team": "web", "zone": "a"}
    assert view.parts == 2


@pytest.mark.parametrize(
    "text",
    [
        BARE,
        BARE + "  kubelet:\n    config:\n      maxPods: 10\n",
        BARE + "  kubelet:\n    flags: []\n",
        BARE + "  kubelet:\n    flags:\n    - --node-labels=a=b\n",
        BARE.replace("\n", "\r\n"),
        '{"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": {"cluster": {"name": "demo"}}}',
        BARE + "  kubelet: {flags: [--v=2]}\n",
        "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\n",
    ],
)
def test_a_nodeconfig_without_the_flag_gets_one(text: str) -> None:
    """Wherever the list of flags is missing, empty, or written in flow style."""
    before, after = parse_user_data(b64(text)), parse_user_data(with_startup_taint(b64(text)))

    assert after.taints == (STARTUP_TAINT,)
    assert after.labels == before.labels


def test_an_inserted_flag_leaves_the_lines_around_it() -> None:
    """Insertion, not a rewrite, wherever the document is in block style."""
    text = BARE + "  # ours\n  kubelet:\n    flags:\n    # keep\n    - --node-labels=a=b # end\n"

    edited = text_of(with_startup_taint(b64(text)))

    assert edited == text.replace("    - --node", f"    - --register-with-taints={STARTUP_TAINT}\n    - --node")


def test_taints_of_the_config_file_move_into_the_flag_that_would_hide_them() -> None:
    """A flag replaces the file's list, so the new flag repeats it."""
    config = "  kubelet:\n    config:\n      registerWithTaints:\n      - {key: a, value: b, effect: NoExecute}\n"

    view = parse_user_data(with_startup_taint(b64(BARE + config)))

    assert view.taints == (STARTUP_TAINT, Taint(key="a", value="b", effect="NoExecute"))


@pytest.mark.parametrize(
    "flag",
    [
        "- --register-with-taints a=b:NoSchedule",
        "- --register-with-taints\n      - a=b:NoSchedule",
        "- '--register-with-taints=\"a=b:NoSchedule\"'",
        '- "--register-with-taints=\\"a=b:NoSchedule\\""',
        "- --v=2 --register-with-taints=a=b:NoSchedule --node-labels=x=y",
        "- >-\n        --register-with-taints=a=b:NoSchedule",
    ],
)
def test_a_flag_is_found_however_it_is_written(flag: str) -> None:
    """The list is joined with blanks, so one item may be half a flag, or two."""
    text = BARE + f"  kubelet:\n    flags:\n      {flag}\n"

    view = parse_user_data(with_startup_taint(b64(text)))

    assert view.taints == (STARTUP_TAINT, Taint(key="a", value="b", effect="NoSchedule"))


def test_a_flag_in_a_flow_list_is_quoted_because_its_comma_would_end_the_item() -> None:
    """The first candidate reads back wrong; the second holds."""
    text = BARE + "  kubelet: {flags: [--register-with-taints=a=b:NoSchedule, --v=2]}\n"

    edited = text_of(with_startup_taint(b64(text)))

    assert edited == text.replace("--register-with-taints=", f'"--register-with-taints={STARTUP_TAINT},').replace(
        "a=b:NoSchedule,", 'a=b:NoSchedule",'
    )


def test_wrapping_is_kept() -> None:
    """Gzip over all of it, base64 over a part: nodeadm takes both."""
    part = b64(gzip.compress(PLAIN.encode()))
    whole = b64(gzip.compress(mime((NODE, part)).encode()))

    edited = with_startup_taint(whole)

    assert base64.b64decode(edited).startswith(b"\x1f\x8b")
    assert parse_user_data(edited).taints == (STARTUP_TAINT, GPU)
    assert with_startup_taint(whole) == edited


@pytest.mark.parametrize(
    ("user_data", "says"),
    [
        (b64("#!/bin/bash\n/etc/eks/bootstrap.sh demo\n"), "user data is a script (#!/bin/bash)"),
        (b64(mime(SCRIPT)), "none of its MIME parts is application/node.eks.aws (parts: text/x-shellscript)"),
        (b64(mime((NODE, PLAIN), (NODE, "#!/bin/sh"))), "user data part 2 is a script"),
        (b64("#cloud-config\npackages: [git]\n"), "it begins with '#cloud-config'"),
        (b64(BARE + "  kubelet: [\n"), "not YAML (line "),
        (b64(BARE + "  kubelet: {flags: none}\n"), "user data: spec.kubelet.flags is not a list"),
        (b64(BARE + "  kubelet: {flags: [--register-with-taints=$TAINTS]}\n"), "'$TAINTS' is no taint"),
        (b64(mime((NODE, PLAIN))[:-5]), "cut off in part 1"),
        (b64(b"\x1f\x8b123"), "does not unpack"),
        (b64(gzip.compress(b"x" * (2 << 20))), "more than 1048576 bytes"),
        (b64(b"\xff\xfe"), "byte 0 is not UTF-8"),
        (b64(""), "user data is no NodeConfig"),
        ("%%%", "user data is not base64"),
    ],
)
def test_what_is_no_nodeconfig_is_refused_with_what_it_is_and_where(user_data: str, says: str) -> None:
    """An operator must be able to act on the message alone."""
    with pytest.raises(Invalid) as error:
        with_startup_taint(user_data)

    assert says in str(error.value)


def test_user_data_that_the_taint_would_make_too_long_is_refused() -> None:
    """EC2 would refuse it later, after the first change."""
    text = PLAIN + "# " + "x" * (16 * 1024 - len(PLAIN) - 2)

    with pytest.raises(Invalid, match="EC2 takes 16384"):
        with_startup_taint(b64(text))


def test_a_flag_that_lost_its_value_is_refused() -> None:
    """Glued to it, the taint would be a flag that kubelet does not know."""
    text = PLAIN[: PLAIN.index('      - "--reg')] + "      - --register-with-taints\n"

    with pytest.raises(Invalid, match="--register-with-taints has no value"):
        with_startup_taint(b64(text))
