"""Load a function's app.py by its folder's name, as Lambda does: all of them are modules called `app`."""

import importlib.util
from pathlib import Path
from types import ModuleType

FUNCTIONS = Path(__file__).parents[2] / "functions"


def load_app(function: str) -> ModuleType:
    """Return functions/<function>/app.py as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"functions_{function}", FUNCTIONS / function / "app.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(function)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
