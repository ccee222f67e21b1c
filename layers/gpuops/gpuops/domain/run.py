"""The identity that every payload carries unchanged, so that a log line, a lock and a report name one run."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Mode = Literal["observe", "recommend", "apply"]


class Run(BaseModel):
    """One root execution at work on one node group."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Name of the root execution; unique for 90 days per state machine (Step Functions' own rule)."""
    execution: str
    """ARN of the root execution: whoever finds our lock asks Step Functions whether it still runs."""
    machine: str
    cluster: str
    group: str
    policy: str
    """Version of the policy object in S3 that this run read, once."""
    mode: Mode = "observe"


class Execution(BaseModel):
    """The execution that a function works for, as its context object names it."""

    id: str
    name: str
    machine: str

    def run(self, cluster: str, group: str, policy: str, mode: Mode) -> Run:
        """The run that every later step carries; `policy`: the version that it read."""
        return Run(
            id=self.name,
            execution=self.id,
            machine=self.machine,
            cluster=cluster,
            group=group,
            policy=policy,
            mode=mode,
        )
