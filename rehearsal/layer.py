"""Builds the layer as `sam build` does, for this machine's interpreter, once per content.

The rehearsal and the cold-start bench must run what deploys, trimmed and compiled, not the checkout: an import
that only works beside the development packages has to fail here.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "layers" / "gpuops"
KEPT = 6
"""Built layers kept in the cache: one for each recent state of the source."""
NAME_LENGTH = 16


class LayerBuildError(Exception):
    """The layer could not be built; the message carries what pip or make said."""


def cache_folder() -> Path:
    """Return the folder outside the checkout where built things are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpuops"


def built_layer(source: Path = SOURCE) -> Path:
    """Return the folder that holds the layer's `python` folder, building it if this content was not built yet.

    Raises: LayerBuildError.
    """
    layers = cache_folder() / "layers"
    wanted = layers / _digest(source)
    if not wanted.exists():
        layers.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=layers) as folder:
            _build(source, Path(folder) / "built")
            _put(Path(folder) / "built", wanted)
        _forget_oldest(layers)
    wanted.touch()
    return wanted


def _put(built: Path, wanted: Path) -> None:
    """Move the layer to its place, unless somebody who built the same was faster."""
    try:
        built.rename(wanted)
    except OSError:
        if not wanted.exists():
            raise


def _build(source: Path, target: Path) -> None:
    """Run the target that `sam build` runs."""
    target.mkdir()
    command = ["make", "--silent", "-C", str(source), "build-GpuopsLayer"]
    command += [f"ARTIFACTS_DIR={target}", "TARGET=host", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LayerBuildError(f"layer: {' '.join(command)}\n{done.stdout}{done.stderr}")


def _digest(source: Path) -> str:
    """Return a name for the content of the source and for the interpreter that it is built for."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(source)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:NAME_LENGTH]


def _forget_oldest(layers: Path) -> None:
    """Keep the cache small: a changed line of code makes a new layer. What somebody else is building is left alone."""
    built = [path for path in layers.iterdir() if len(path.name) == NAME_LENGTH]
    for old in sorted(built, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
