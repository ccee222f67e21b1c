"""Error names as AWS matches them.

States.ALL catches neither States.Runtime nor States.DataLimitExceeded; States.Timeout also stands for a missed
heartbeat; a Fail state may repeat a name that came from a child, States.TaskFailed for one.
"""

from typing import Any

from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.fail import state_fail

_TERMINAL = {"States.Runtime", "States.DataLimitExceeded"}


def patch_errors() -> None:
    """Replace the matching, and the naming in Fail and Parallel."""
    ErrorEqualsDecl._eval_body = _matches
    state_fail.CustomErrorName = _any_name
    branches_decl.CustomErrorName = _any_name


def _matches(self: Any, env: Any) -> None:
    error = env.stack.pop()
    name = error.error_name if error is not None else None
    wanted = {declared.error_name for declared in self.error_names}
    env.stack.append(
        name in wanted
        or ("States.ALL" in wanted and name not in _TERMINAL)
        or ("States.TaskFailed" in wanted and not isinstance(error, StatesErrorName))
        or ("States.Timeout" in wanted and name == "States.HeartbeatTimeout")
    )


def _any_name(error_name: str | None) -> Any:
    try:
        return CustomErrorName(error_name)
    except ValueError:
        return StatesErrorName(typ=StatesErrorNameType.from_name(error_name))
