"""moto's way from a request to the service's method, without looking for both anew at each request.

Measured on the calls of a deployment: moto listed its own folders (a hundred thousand `stat`) and every attribute of a
service's class for each of them, a quarter of the time it took to answer.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import moto.core.responses
from moto.core.serialize import XFormedAttributePicker
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from rehearsal.region.patches import Patches


class _Dispatcher(DomainDispatcherApplication):  # type: ignore[misc]
    @functools.cache  # noqa: B019 - there is one, as long as the process lives
    def get_backend_for_host(self, host: str | None) -> Any:
        """Which service a host belongs to."""
        return super().get_backend_for_host(host)


class _Methods:
    """Stands in for the list of a class's methods, of which moto only asks whether one is in it."""

    def __init__(self, owner: type) -> None:
        self._owner = owner

    def __contains__(self, name: str) -> bool:
        return inspect.isfunction(getattr(self._owner, name, None))


@functools.cache
def application() -> Any:
    """The application of moto holds no state, and takes a quarter of a second for each service to make."""
    return _Dispatcher(create_backend_app)


def _remembered(possible_keys: Callable[[Any, Any], Iterable[str]]) -> Callable[[Any, Any], Iterable[str]]:
    """Under which names a value may be kept hangs on its shape and on what keeps it: worked out once for both.

    moto works it out for each field of each answer anew: under a profiler a twenty-fifth of what a rehearsal took.
    """

    def remembered(picker: Any, context: Any) -> Iterable[str]:
        known = vars(context.shape).setdefault("_possible_keys", {})
        about = type(context.obj), context.key
        if about not in known:
            known[about] = tuple(possible_keys(picker, context))
        keys: tuple[str, ...] = known[about]
        return keys

    return remembered


def install(patches: Patches) -> None:
    """Look up methods one by one, and the names of fields once."""
    patches.set(moto.core.responses, "method_names_from_class", _Methods)
    patches.set(XFormedAttributePicker, "get_possible_keys", _remembered(XFormedAttributePicker.get_possible_keys))
