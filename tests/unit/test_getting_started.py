"""The first page a new user follows: its commands exist, its policies parse, its configuration is what `r4` is."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.main import app
from gpuops.domain.config.shapes import key_texts
from gpuops.domain.keys import GPU_RESOURCE, STARTUP_TAINT
from gpuops.domain.plugin_config.check import check_plugin_config
from gpuops.domain.policy import DevicePlugin, parse_policy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/getting-started.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def blocks(key: str) -> list[str]:
    """The YAML blocks that have this key at the top."""
    return [block for block in BLOCKS if re.search(rf"^{key}:", block, re.MULTILINE)]


def commands() -> dict[str, Any]:
    """Every command of gpuops, groups as `group command`."""
    root: Any = typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in root.commands.items():
        found |= {f"{name} {sub}": one for sub, one in getattr(command, "commands", {"": command}).items()}
    return {name.strip(): command for name, command in found.items()}


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md", "docs/operations.md"])
def test_every_command_of_gpuops_that_is_told_to_be_typed_exists(page: str) -> None:
    """With its options."""
    known = commands()
    typed = re.findall(r"(?:`|^|\| )gpuops ([a-z][\w -]*?)(?=[`|#.\n]|  )", (ROOT / page).read_text(), re.MULTILINE)
    assert typed
    for line in typed:
        words = line.split()
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
        assert name, f"{page}: gpuops {line}"
        options = {flag for parameter in known[name].params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, f"{page}: gpuops {line}"


def test_every_make_target_exists() -> None:
    """And every scenario that it names."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^)make (\w+)", PAGE, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for scenario in re.findall(r"SCENARIO=(\w+)", PAGE):
        assert (ROOT / f"scenarios/{scenario}.yaml").exists()


def test_both_policies_parse_and_the_second_only_adds_the_sharing() -> None:
    """What the page says of them holds."""
    first, second = (parse_policy(text, "1") for text in blocks("clusters"))
    assert [group.sharing for group in (*first.groups, *second.groups)] == ["exclusive", "r4"]
    assert second.groups[0].model_copy(update={"sharing": "exclusive"}) == first.groups[0]
    assert (first.cluster("demo").mode, first.clusters) == ("apply", second.clusters)


def test_the_configuration_shown_is_the_one_that_r4_stands_for() -> None:
    """And clean by our own check."""
    (shown,) = blocks("version")
    report = check_plugin_config(shown)
    assert (report.problems, report.replicas, report.resource) == ((), 4, GPU_RESOURCE)
    assert yaml.safe_load(shown) == yaml.safe_load(key_texts(DevicePlugin())["r4"])


def test_the_node_config_registers_our_startup_taint() -> None:
    """One flag, because a second one replaces the first."""
    (config,) = blocks("kind")[:1]
    flags = yaml.safe_load(config)["spec"]["kubelet"]["flags"]
    (taints,) = [flag for flag in flags if flag.startswith("--register-with-taints=")]
    assert str(STARTUP_TAINT) in taints.partition("=")[2].split(",")
