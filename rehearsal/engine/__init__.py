"""AWS Step Functions for a rehearsal: moto's interpreter, repaired, on the simulated clock.

The ASL of the product has to run as it deploys, so it is interpreted, not imitated. moto 5.2.5 brings a complete
interpreter whose waits are real and whose JSONata is not connected; everything replaced here is moto's inside, hence
its exact pin and tests/contract/test_engine*.py.

Left out: Distributed Map, Express and synchronous executions, activities, http:invoke, eks:call.
"""

from collections.abc import Callable

from moto.core.config import default_user_config
from moto.stepfunctions.parser.utils import TMP_THREADS

from rehearsal.clock import Clock
from rehearsal.engine import bindings
from rehearsal.engine.bindings import Authorise, Bindings, ClientFactory, Invoke, Listener, Progress
from rehearsal.engine.callbacks import patch_callbacks
from rehearsal.engine.environment import patch_environment
from rehearsal.engine.errors import patch_errors
from rehearsal.engine.executions import patch_executions
from rehearsal.engine.integrations import patch_integrations
from rehearsal.engine.invocations import patch_invocations
from rehearsal.engine.iteration import patch_iteration
from rehearsal.engine.nested import patch_nested
from rehearsal.engine.queries import patch_queries
from rehearsal.engine.redrive import patch_redrive
from rehearsal.engine.responses import patch_responses
from rehearsal.engine.speed import patch_speed
from rehearsal.engine.timing import patch_timing

__all__ = ["Authorise", "ClientFactory", "Invoke", "Listener", "Progress", "install"]

_PATCHES: list[Callable[[], None]] = [
    patch_timing,
    patch_environment,
    patch_executions,
    patch_responses,
    patch_iteration,
    patch_callbacks,
    patch_nested,
    patch_errors,
    patch_queries,
    patch_integrations,
    patch_invocations,
    patch_redrive,
    patch_speed,
]


def install(
    clock: Clock,
    invoke: Invoke,
    *,
    client_for: ClientFactory | None = None,
    authorise: Authorise | None = None,
    listener: Listener | None = None,
) -> None:
    """Put moto's Step Functions on `clock`; a later call replaces what an earlier one bound.

    invoke: runs a Lambda function by name, returns (payload, function error); raises LookupError for an unknown one.
    client_for: makes the boto3 client of a service for an SDK integration, given the machine's role.
    authorise: may the role invoke the function? (`invoke` does not pass the wire, where other calls are judged.)
    listener: told of every execution's start, states and end, in order.
    """
    TMP_THREADS.clear()  # moto remembers every thread, and with it the whole world that it ran in
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    first = bindings.current is None
    bindings.current = Bindings(clock, invoke, client_for, authorise, listener)
    if first:
        for patch in _PATCHES:
            patch()
