"""`gpuops dcgm parse`: samples as JSON, and one clear word for what is no exposition."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.main import app

GPU = "GPU-0a1b2c3d-0000-1111-2222-333344445555"
TEXT = f'DCGM_FI_DEV_FB_USED{{gpu="0",UUID="{GPU}",Hostname="n1"}} 7\n'


def parse(tmp_path: Path, text: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Run the command on a file with this text; return its exit code and its JSON."""
    file = tmp_path / "metrics.prom"
    file.write_text(text)
    result = CliRunner().invoke(app, ["dcgm", "parse", str(file), "--json", *more])
    return result.exit_code, json.loads(result.stdout.splitlines()[-1])


def test_each_gpu_is_one_sample(tmp_path: Path) -> None:
    """Under the name that the caller gives its node."""
    code, answer = parse(tmp_path, TEXT, "--node", "ip-10-0-1-7")

    (sample,) = answer["samples"]
    assert code == 0
    assert (sample["uuid"], sample["node"], sample["memory_used_mib"]) == (GPU, "ip-10-0-1-7", 7)


def test_a_contradiction_is_no_success(tmp_path: Path) -> None:
    """The samples are shown all the same."""
    code, answer = parse(tmp_path, TEXT + TEXT.replace("} 7", "} 9"))

    assert code == 1
    assert len(answer["samples"]) == 1


def test_what_is_no_exposition_is_refused_with_its_name(tmp_path: Path) -> None:
    """A proxy's error page, as a scrape may have saved it."""
    code, answer = parse(tmp_path, "<html>bad gateway</html>")

    assert code == 2
    assert "metrics.prom" in answer["error"]
