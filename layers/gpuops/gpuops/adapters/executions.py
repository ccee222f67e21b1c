"""Step Functions: does the owner of a lock still run? And one more execution, under a name of ours.

Why not a heartbeat: an execution that waits two days for an approval holds no process that could send one.
"""

from typing import Any, Self

from botocore.exceptions import ClientError

from gpuops.adapters.aws import client, code_of, translated
from gpuops.domain.rotation.lock import Execution


class Executions:
    """Reads executions, and starts them."""

    def __init__(self, states: Any) -> None:
        self._states = states

    @classmethod
    def from_env(cls) -> Self:
        """Build it for the function's own account and region."""
        return cls(client("stepfunctions"))

    def of_machine(self, machine: str, name: str) -> Execution:
        """Return what is known of the machine's execution of that name. Raises: as `find`."""
        return self.find(f"{machine.replace(':stateMachine:', ':execution:')}:{name}")

    def start(self, machine: str, name: str, given: str) -> bool:
        """Start the machine under that name; False where the name is taken, so that a repetition starts nothing.

        Raises: Unavailable, Refused.
        """
        with translated(f"start {name}"):
            try:
                self._states.start_execution(stateMachineArn=machine, name=name, input=given)
            except ClientError as error:
                if code_of(error) != "ExecutionAlreadyExists":
                    raise
                return False
        return True

    def find(self, arn: str) -> Execution:
        """Return whether the execution runs, and when it ended; one that is unknown by now does not run.

        Raises: Unavailable, Refused.
        """
        with translated(f"describe execution {arn}"):
            try:
                found = self._states.describe_execution(executionArn=arn)
            except ClientError as error:
                if code_of(error) != "ExecutionDoesNotExist":
                    raise
                return Execution(running=False)
        running = found["status"] in {"RUNNING", "PENDING_REDRIVE"}
        return Execution(
            running=running, ended=None if running else found.get("stopDate"), given=found.get("input", "")
        )
