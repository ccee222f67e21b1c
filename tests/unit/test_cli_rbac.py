"""`gpuops rbac`: the manifest with the policy's images and ConfigMaps; its comments stay, for whoever grants it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from gpuops.adapters.manifests import MANIFESTS
from gpuops.domain.policy import DcgmExporter, DevicePlugin, Smoke

TEXT = (MANIFESTS / "rbac.yaml").read_text()
POLICY = """
clusters:
- {cluster: a, device_plugin: {image: "mirror.example/plugin:v1"}}
- {cluster: b, device_plugin: {manage: false, config_map: gpu-operator/shapes}}
groups:
- {cluster: a, group: one, smoke: {nvidia_smi: "mirror.example/cuda:1"}}
- {cluster: a, group: two}
- {cluster: b, group: three}
"""


def printed(tmp_path: Path, *options: str, text: str = POLICY) -> str:
    """What the command prints for a policy."""
    policy = tmp_path / "fleet.yaml"
    policy.write_text(text)
    result = CliRunner().invoke(app, ["rbac", "--policy", str(policy), *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def parts(text: str) -> dict[tuple[str, str, str], Any]:
    """Its objects by kind, namespace and name."""
    loaded = list(yaml.safe_load_all(text))
    found = {(p["kind"], p["metadata"].get("namespace", ""), p["metadata"]["name"]): p for p in loaded}
    assert len(found) == len(loaded)
    return found


def images(text: str, namespace: str) -> list[str]:
    """The list that an admission policy reads."""
    return str(parts(text)["ConfigMap", namespace, "gpuops-images"]["data"]["images"]).split("\n")


def test_without_a_policy_the_manifest_has_the_defaults_of_every_image() -> None:
    """As the policy's models have them, or a first execution would be refused."""
    result = CliRunner().invoke(app, ["rbac"])

    assert result.stdout == TEXT
    smoke = Smoke()
    assert images(TEXT, "gpuops") == [smoke.nvidia_smi, smoke.cuda_sample, smoke.diagnostic]
    assert images(TEXT, "gpuops-system") == [DevicePlugin().image, DcgmExporter().image, smoke.nvidia_smi]


def test_the_policys_images_stand_in_the_lists_each_once(tmp_path: Path) -> None:
    """Of one cluster, or of all; a default that nobody uses is not allowed."""
    all_of_them, of_a = printed(tmp_path), printed(tmp_path, "--cluster", "a")

    assert images(of_a, "gpuops") == [
        "mirror.example/cuda:1",
        Smoke().cuda_sample,
        Smoke().diagnostic,
        Smoke().nvidia_smi,
    ]
    assert images(of_a, "gpuops-system") == [
        *["mirror.example/plugin:v1", DcgmExporter().image],
        *["mirror.example/cuda:1", Smoke().nvidia_smi],
    ]
    assert set(images(all_of_them, "gpuops-system")) == {*images(of_a, "gpuops-system"), DevicePlugin().image}


def test_a_foreign_configmap_may_be_read_where_it_is_and_no_other(tmp_path: Path) -> None:
    """Where we run the plugin ourselves there is none."""
    of_a, of_b = (parts(printed(tmp_path, "--cluster", name)) for name in "ab")

    role = of_b["Role", "gpu-operator", "gpuops-admitter"]
    assert role["rules"][0]["resourceNames"] == ["shapes"]
    assert ("RoleBinding", "gpu-operator", "gpuops-admitters") in of_b
    assert not [key for key in (*of_a, *of_b) if key[1:] == ("kube-system", "gpuops-admitter")]
    assert of_a.keys() <= parts(TEXT).keys()


def test_the_comments_stay(tmp_path: Path) -> None:
    """They say who may do what, and why."""
    text = printed(tmp_path)

    assert text.count("\n# ") >= TEXT.count("\n# ") - 1


def test_a_program_gets_the_objects_as_json(tmp_path: Path) -> None:
    """One object."""
    answer = json.loads(printed(tmp_path, "--json"))

    assert answer["status"] == "printed"
    assert len(answer["objects"]) > 20


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [(POLICY, ("--cluster", "c"), "no cluster 'c'"), ("groups: [{}]", (), "line 1"), (None, (), "No such file")],
)
def test_what_cannot_be_printed_is_said(tmp_path: Path, text: str | None, options: tuple[str, ...], words: str) -> None:
    """Exit code 2: nothing half-right is printed."""
    policy = tmp_path / "fleet.yaml"
    if text is not None:
        policy.write_text(text)

    result = CliRunner().invoke(app, ["rbac", "--policy", str(policy), *options])

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_an_exporter_may_be_asked_where_the_policy_says_that_it_runs(tmp_path: Path) -> None:
    """Beside the namespaces of the manifest itself, and there alone."""
    exporter = "{namespaces: [gpu-operator, kube-system]}"
    text = f"clusters: [{{cluster: a, dcgm_exporter: {exporter}}}]\ngroups: [{{cluster: a, group: one}}]\n"
    found = parts(printed(tmp_path, text=text))

    bound = {namespace for _, namespace, name in found if name == "gpuops-scrapers"}
    assert bound == {"gpuops-system", "kube-system", "gpu-operator"}
    assert found["RoleBinding", "gpu-operator", "gpuops-scrapers"]["roleRef"]["name"] == "gpuops-scraper"
