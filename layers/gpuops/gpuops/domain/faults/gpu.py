"""A GPU that proved to be faulty: EC2 often hands the same board out again with the next instance."""

from pydantic import AwareDatetime, BaseModel, ConfigDict


class GpuRecord(BaseModel):
    """What is remembered of one faulty GPU."""

    model_config = ConfigDict(frozen=True)

    uuid: str
    fault: str
    """The evidence, in words."""
    instance: str
    node: str
    at: AwareDatetime

    @property
    def title(self) -> str:
        """How reasons name it."""
        return f"{self.uuid} ({self.fault} on {self.instance}, {self.at.date().isoformat()})"
