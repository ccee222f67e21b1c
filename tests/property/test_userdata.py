"""Whatever user data holds, an edit adds exactly one taint, and nonsense gives one kind of error."""

import base64
import gzip
import json
import tomllib
from collections.abc import Callable

import yaml
from hypothesis import given
from hypothesis import strategies as st

from gpuops.domain.errors import Invalid
from gpuops.domain.keys import STARTUP_TAINT
from gpuops.domain.userdata import parse_user_data, with_startup_taint

names = st.from_regex(r"[a-z]([a-z0-9.-]{0,20}[a-z0-9])?(/[a-z]{1,8})?", fullmatch=True)
values = st.from_regex(r"([a-zA-Z0-9]([a-zA-Z0-9._-]{0,10}[a-zA-Z0-9])?)?", fullmatch=True)
taints = st.builds("{}={}:{}".format, names, values, st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"]))
taint_flags = st.builds("--register-with-taints={}".format, st.lists(taints, max_size=4).map(",".join))
label_flags = st.builds("--node-labels={}={}".format, names, values)
flags = st.lists(taint_flags | label_flags | st.just("--v=2"), max_size=5)
dumps: st.SearchStrategy[Callable[[object], str]] = st.sampled_from(
    [yaml.safe_dump, json.dumps, lambda data: yaml.safe_dump(data, default_flow_style=True)]
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """One NodeConfig as YAML in block or flow style, or as JSON."""
    spec: dict[str, object] = {"cluster": {"name": draw(names)}}
    if draw(st.booleans()):
        spec["kubelet"] = {"flags": draw(flags)} if draw(st.booleans()) else {"config": {"maxPods": 20}}
    dump = draw(dumps)
    return str(dump({"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec}))


@st.composite
def user_data(draw: st.DrawFn) -> str:
    """One document, or a MIME archive of several, perhaps compressed."""
    texts = draw(st.lists(documents(), min_size=1, max_size=3))
    text = texts[0]
    if len(texts) > 1:
        parts = "".join(f"--B\nContent-Type: application/node.eks.aws\n\n{part}\n" for part in texts)
        text = f"Content-Type: multipart/mixed; boundary=B\n\n{parts}--B--\n"
    data = text.encode()
    return base64.b64encode(gzip.compress(data) if draw(st.booleans()) else data).decode()


keys = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,5})?(/[a-z-]{1,8})?", fullmatch=True).filter(
    lambda key: key != "kubernetes"
)
items = st.builds("{}:{}".format, values, st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"]))
plain = st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.lists(st.text(max_size=3), max_size=2)


def toml(value: object) -> str:
    """JSON's texts, numbers and lists are TOML's; a dictionary becomes an inline table."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@st.composite
def settings(draw: st.DrawFn) -> str:
    """Bottlerocket's settings, the taints in a table of their own, inline, in dotted keys at any depth, or missing."""
    taints = draw(st.dictionaries(keys, st.lists(items, max_size=2) | items, max_size=3))
    others = draw(st.dictionaries(keys, plain, max_size=3))
    inner = "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in others.items())
    form = draw(st.sampled_from(["table", "inline", "dotted", "root", "none"]))
    lines = ["[settings.kubernetes]", inner]
    if form == "table":
        lines += [
            "# ours",
            "[settings.kubernetes.node-taints]",
            *(f"{json.dumps(k)} = {toml(v)}" for k, v in taints.items()),
        ]
    elif form == "inline":
        lines.append(f"node-taints = {toml(taints)}")
    elif form == "dotted":
        lines += [f"node-taints.{json.dumps(key)} = {toml(value)}" for key, value in taints.items()]
    elif form == "root":
        lines = [f"settings.kubernetes.node-taints.{json.dumps(key)} = {toml(value)}" for key, value in taints.items()]
        lines.append("settings.motd = 'x'")
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@given(settings())
def test_an_edit_of_settings_adds_the_startup_taint_and_nothing_else(before: str) -> None:
    """Every line that was there is there, in its order; the second edit is the identity."""
    raw = base64.b64encode(before.encode()).decode()
    after = base64.b64decode(with_startup_taint(raw)).decode()

    old, new = tomllib.loads(before), tomllib.loads(after)
    added = new["settings"]["kubernetes"]["node-taints"].pop(STARTUP_TAINT.key)
    assert added == [f"{STARTUP_TAINT.value}:{STARTUP_TAINT.effect}"]
    old.setdefault("settings", {}).setdefault("kubernetes", {}).setdefault("node-taints", {})
    assert new == old
    assert with_startup_taint(base64.b64encode(after.encode()).decode()) == base64.b64encode(after.encode()).decode()


@given(user_data())
def test_an_edit_adds_the_startup_taint_and_nothing_else(before: str) -> None:
    """Labels, the other taints and the number of parts stay; the second edit is the identity."""
    after = with_startup_taint(before)

    old, new = parse_user_data(before), parse_user_data(after)
    assert new.taints == (STARTUP_TAINT, *old.taints)
    assert new.model_copy(update={"taints": old.taints}) == old
    assert with_startup_taint(after) == after


@given(user_data() | settings().map(lambda text: base64.b64encode(text.encode()).decode()), st.data())
def test_damaged_user_data_is_invalid_or_still_a_nodeconfig(whole: str, data: st.DataObject) -> None:
    """Never another exception, and never an edit that loses the taint."""
    raw = bytearray(base64.b64decode(whole))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    try:
        edited = with_startup_taint(base64.b64encode(raw).decode())
    except Invalid:
        return
    assert any(t.key == STARTUP_TAINT.key for t in parse_user_data(edited).taints)


@given(st.text() | st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()))
def test_nonsense_is_invalid(nonsense: str) -> None:
    """Fail closed: no NodeConfig, no edit."""
    try:
        with_startup_taint(nonsense)
    except Invalid:
        return
    raise AssertionError(nonsense)
