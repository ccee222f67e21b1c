"""An adapter that is imported and made when it is first asked for, and kept.

Measured: importing all adapters, with the decisions whose answers they carry, took 0.13 s of each cold start; a
function needs a handful of them.
"""

from importlib import import_module
from typing import Generic, TypeVar

Adapter = TypeVar("Adapter")


class Late(Generic[Adapter]):
    """A field of `World`; what it holds is found in the instance from the second time on."""

    def __init__(self, name: str) -> None:
        """`name` is `module.Class` in this folder; the class makes itself by its `from_env`."""
        self._module, _, self._class = name.partition(".")

    def __set_name__(self, owner: type, name: str) -> None:
        """Note under which name it is asked for."""
        self._name = name

    def __get__(self, world: object, owner: type) -> Adapter:
        """Make it from the function's environment."""
        found = import_module(f"{__package__}.{self._module}")
        made: Adapter = getattr(found, self._class).from_env()
        world.__dict__[self._name] = made
        return made
