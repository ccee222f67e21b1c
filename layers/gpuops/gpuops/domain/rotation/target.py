"""Where a roll leads."""

from pydantic import BaseModel, ConfigDict


class Target(BaseModel):
    """The AMI that every node of the group should run."""

    model_config = ConfigDict(frozen=True)

    ami: str
    release: str
