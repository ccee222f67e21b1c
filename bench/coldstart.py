"""Times the import of every handler from the built layer, in a fresh interpreter each, as a cold start does it.

Printed: {"functions": [{"name", "kubernetes", "seconds", "limit_seconds"}], "layer_mb", "layer_limit_mb", "met"}.
`seconds` is the median wall time of a whole process that imports the handler and ends, interpreter included.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rehearsal.layer import built_layer

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = {True: 0.50, False: 0.30}
"""By whether the function imports the Kubernetes transport."""
LAYER_LIMIT_MB = 60
PROBE = "import sys, app; print('kubernetes.client.rest' in sys.modules)"


def coldstart(runs: int = 5) -> dict[str, Any]:
    """Measure every function of the checkout against the layer as built for this machine."""
    layer = built_layer()
    functions = [_measure(app.parent, layer, runs) for app in sorted(ROOT.glob("functions/*/app.py"))]
    megabytes = sum(p.stat().st_size for p in layer.rglob("*") if p.is_file()) / 1e6
    met = megabytes <= LAYER_LIMIT_MB and all(f["seconds"] <= f["limit_seconds"] for f in functions)
    return {
        "functions": functions,
        "layer_mb": round(megabytes, 1),
        "layer_limit_mb": LAYER_LIMIT_MB,
        "met": met,
    }


def _measure(folder: Path, layer: Path, runs: int) -> dict[str, Any]:
    """Import one handler several times, each in a process that sees only the layer and the function."""
    timed = [_import(folder, layer) for _ in range(runs)]
    kubernetes = timed[0][1]
    return {
        "name": folder.name,
        "kubernetes": kubernetes,
        "seconds": round(statistics.median(seconds for seconds, _ in timed), 3),
        "limit_seconds": LIMIT_SECONDS[kubernetes],
    }


def _import(folder: Path, layer: Path) -> tuple[float, bool]:
    """Return the seconds that one import took, and whether it pulled in the Kubernetes transport."""
    paths = os.pathsep.join([str(folder), str(layer / "python")])
    environment = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "AWS_DEFAULT_REGION": "us-east-1"}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROBE], env=environment, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - started, done.stdout.strip() == "True"
