"""What the functions of apply_gpu_config hand to one another through the state machine."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from gpuops.domain.config.finding import Verdict
from gpuops.domain.run import Mode

STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"


class ConfigOrder(BaseModel):
    """Which cluster to bring to the policy: the schedule, the policy's upload and a person say the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str

    @model_validator(mode="before")
    @classmethod
    def _drop(cls, value: Any) -> Any:
        """A parent execution names itself in the input of its child."""
        return {k: v for k, v in value.items() if k != STARTED_BY} if isinstance(value, dict) else value


class Applied(Verdict):
    """apply_config's answer."""

    cluster: str
    mode: Mode
    policy: str
    """Version of the policy that was read: what follows reads the same one."""
