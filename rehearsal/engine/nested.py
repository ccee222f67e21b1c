"""startExecution.sync: the parent parks until its child ends, and a parent that ends first stops its child.

moto asks every half second, which the clock would have to jump to.
"""

import logging
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
    StateTaskServiceSfn,
)
from moto.stepfunctions.parser.asl.utils import boto_client

from rehearsal.clock import SimEvent
from rehearsal.engine.bindings import bound
from rehearsal.engine.environment import wait_in
from rehearsal.engine.executions import enders, find_execution

_LOG = logging.getLogger(__name__)


def patch_nested() -> None:
    """Wrap both forms of .sync, and replace the loop that asks."""
    for name in ("_build_sync_resolver", "_build_sync2_resolver"):
        setattr(StateTaskServiceSfn, name, _awaiting(getattr(StateTaskServiceSfn, name)))
    StateTaskServiceSfn._eval_sync = _eval_sync


def _awaiting(build: Any) -> Any:
    def build_resolver(self: Any, env: Any, **options: Any) -> Any:
        arn = env.stack[-1]["ExecutionArn"]
        describe = build(self, env=env, **options)

        def resolve() -> Any:
            _await_end(env, arn)
            if env.is_running():
                return describe()
            _stop_child(arn, options["resource_runtime_part"].region, options["state_credentials"])
            return None

        return resolve

    return build_resolver


def _eval_sync(_: Any, env: Any, sync_resolver: Any, **__: Any) -> Any:
    while env.is_running():
        if result := sync_resolver():
            return result
    return None


def _await_end(env: Any, arn: str) -> None:
    execution, ended = find_execution(arn), SimEvent(bound().clock, arn)
    enders(execution)[ended] = None
    if execution.status == "RUNNING":
        wait_in(env, ended)
    del enders(execution)[ended]


def _stop_child(arn: str, region: str, credentials: Any) -> None:
    """Under the machine's role, as AWS does it: without states:StopExecution the child goes on."""
    if find_execution(arn).status != "RUNNING":
        return
    client = boto_client.boto_client_for(service="stepfunctions", region=region, state_credentials=credentials)
    try:
        client.stop_execution(executionArn=arn, cause="the parent execution ended")
    except ClientError as error:
        _LOG.warning("a child outlives its parent: %s", error)
