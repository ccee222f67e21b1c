"""JSONata: expressions parsed once, data bound as data, the functions that Step Functions adds.

moto writes all of the state's data into the text of each expression and hands it to a Java library that it does not
bring. Here jsonata-python evaluates the cached expression with `$states` and the variables as bindings.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.utils import Utils
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from rehearsal.engine.functions import FUNCTIONS


class QueryError(Exception):
    """The expression cannot be evaluated, or gives nothing that JSON can hold."""


def patch_queries() -> None:
    """Replace the evaluation of `{% … %}`, and of variables in JSONPath states."""
    string_expression.StringJSONata._eval_body = _eval_query
    string_expression.StringVariableSample._eval_body = _eval_query


def evaluate(expression: str, bindings: Mapping[str, Any]) -> Any:
    """Plain JSON of an expression. Raises: QueryError."""
    try:
        parsed = _parsed(expression)
        Jsonata.CURRENT.jsonata = parsed
        result = parsed.evaluate(None, {**FUNCTIONS, **bindings})
    except (JException, ArithmeticError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise QueryError(f"threw an error during evaluation: {error}") from error
    if result is None:
        raise QueryError("returned nothing (undefined)")
    return _plain(result)


@lru_cache(maxsize=4096)
def _parsed(expression: str) -> Jsonata:
    parsed = Jsonata(expression)
    parsed.set_output_convert_nulls(False)  # or null could not be told from undefined
    return parsed


def _plain(value: Any) -> Any:
    """A copy without jsonata's own list and null types."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or value is Utils.NULL_VALUE:
        return None
    if isinstance(value, str | int | float):
        return value
    raise QueryError("returned an unsupported result type")


def _eval_query(self: Any, env: Any) -> None:
    variables = {**env.variable_store._outer_scope, **env.variable_store._inner_scope}
    states = env.states._states_data
    given = {key: value for key, value in states.items() if value is not None or key == "input"}
    try:
        env.stack.append(evaluate(self.expression, {"states": given, **variables}))
    except QueryError as error:
        raise _failure(env, f"The JSONata expression '{self.expression}' {error}.") from error


def _failure(env: Any, cause: str) -> Any:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EvaluationFailedEventDetails(cause=cause, error=name.error_name)
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
    )
