"""The user data of a scenario's groups: one meaning, in the words of two operating systems."""

import base64
import tomllib
from typing import Any

import pytest

from rehearsal.kubelets.userdata import flags_of
from rehearsal.region.compute_userdata import bottlerocket_settings, user_data
from rehearsal.region.eks.cluster import Cluster
from rehearsal.scenario import Group

CLUSTER = Cluster(name="train", version="1.36", endpoint="https://127.0.0.1:7443", ca_pem="-----BEGIN-----\n")
BASE: dict[str, Any] = {"name": "gpu", "instance_type": "g4dn.xlarge", "zones": ["us-east-1a"], "size": 1, "max": 1}
GPU = {"labels": {"nvidia.com/gpu": "true"}, "taints": ["nvidia.com/gpu=true:NoSchedule"], "release": "1"}


@pytest.mark.parametrize("family", ["al2023", "bottlerocket"])
def test_the_simulated_kubelet_reads_the_groups_labels_and_taints(family: str) -> None:
    """Whichever way they are written, the startup taint among them."""
    group = Group.model_validate({**BASE, **GPU, "startup_taint": True})
    flags = flags_of(user_data(group, family, CLUSTER), family)
    assert flags is not None
    assert flags.labels == {"nvidia.com/gpu": "true"}
    assert [(taint["key"], taint["value"]) for taint in flags.taints] == [
        ("nvidia.com/gpu", "true"),
        ("startup-taint.cluster-autoscaler.kubernetes.io/gpuops", "pending"),
    ]


def test_bottlerocket_is_told_where_the_cluster_is() -> None:
    """Its settings are TOML."""
    settings = tomllib.loads(bottlerocket_settings(Group.model_validate({**BASE, "release": "1"}), CLUSTER))
    assert settings["settings"]["kubernetes"]["cluster-name"] == "train"
    assert settings["settings"]["kubernetes"]["api-server"] == CLUSTER.endpoint


def test_a_scenario_may_break_the_user_data_on_purpose() -> None:
    """Then it is passed on as it stands."""
    group = Group.model_validate({**BASE, "release": "1", "user_data": "#!/bin/sh\n"})
    assert base64.b64decode(user_data(group, "al2023", CLUSTER)) == b"#!/bin/sh\n"
