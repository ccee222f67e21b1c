"""When a group's nodes may be replaced: weekly windows on the wall clock of a time zone."""

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from gpuops.domain.policy.parts import Part

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _quoted(value: Any) -> Any:
    """Refuse what YAML 1.1 made of a time: without quotes, 22:00 is the number 1320."""
    if isinstance(value, int):
        raise ValueError(f"{value} is no time of day: put it in quotes, such as '22:00'")  # noqa: TRY004 - pydantic's
    return value


def _known(zone: str) -> str:
    """Refuse a zone that the IANA database does not have; it refuses names that leave its folder, too."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{zone!r} is no IANA time zone, such as Europe/Berlin") from error
    return zone


TimeOfDay = Annotated[str, BeforeValidator(_quoted), Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
TimeZone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_known)]


class Window(Part):
    """Days on which a window opens, and from when to when it is open; where `to` is not after `from`, overnight."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    """Days on which it opens; not given: every day."""
    from_: TimeOfDay = Field(alias="from")
    """When it opens, such as '22:00', in quotes."""
    to: TimeOfDay
    """When it closes; on the next day where that is not later than `from`."""
