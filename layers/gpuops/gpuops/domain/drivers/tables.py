"""What every table of facts is made of: rows that are values, read from one YAML file with one kind of error."""

from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from gpuops.domain.errors import Invalid


class Row(BaseModel):
    """A table is a value, and a word in it that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Table = TypeVar("Table", bound=Row)


def parse(model: type[Table], name: str, text: str) -> Table:
    """Return the table in the text of the file of that name. Raises: Invalid naming what is wrong with it."""
    try:
        return model.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise Invalid(f"{name}: {error}") from error
