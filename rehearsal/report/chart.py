"""Draws lanes over simulated time as inline SVG, so that the report is one file without a script."""

from collections.abc import Iterator, Sequence
from html import escape

from rehearsal.chronicle import Lane

WIDTH, LABEL, ROW, BAR = 1080, 300, 22, 14
COLOURS = {
    "booting": "#b9bec6", "admitting": "#e2a93b", "serving": "#4f9d69", "draining": "#4a7fb5",
    "leaving": "#d5dbe2", "lost": "#c0453c", "gone": "none",
}  # fmt: skip
FALLBACK = "#8a7fb5"


def hours(seconds: float) -> str:
    """h:mm, as a person reads a night."""
    sign, minutes = ("-" if seconds < 0 else ""), int(abs(seconds)) // 60
    return f"{sign}{minutes // 60}:{minutes % 60:02d}"


def lanes_chart(lanes: Sequence[Lane], start: float, end: float) -> str:
    """Return one SVG: a row for each lane, a bar for each mark until the next."""
    span = max(end - start, 1.0)
    height = ROW * (len(lanes) + 1) + 8
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="nodes over time">']
    parts += _axis(start, span, height)
    for row, lane in enumerate(lanes):
        parts += _row(lane, row * ROW + 4, start, span)
    return "\n".join([*parts, "</svg>"])


def _x(at: float, start: float, span: float) -> float:
    return round(LABEL + (max(at, start) - start) / span * (WIDTH - LABEL - 10), 1)


def _row(lane: Lane, y: int, start: float, span: float) -> Iterator[str]:
    label = escape(f"{lane.name} · {lane.title}")
    yield f'<text x="0" y="{y + 11}" class="lane">{label}</text>'
    ends = [mark.at for mark in lane.marks[1:]] + [start + span]
    for mark, until in zip(lane.marks, ends, strict=True):
        colour = COLOURS.get(mark.what, FALLBACK)
        if colour != "none" and until > start:
            left, right = _x(mark.at, start, span), _x(until, start, span)
            title = escape(f"{mark.what} {hours(mark.at)} to {hours(until)}")
            box = f'x="{left}" y="{y}" width="{max(right - left, 1):.1f}" height="{BAR}" fill="{colour}"'
            yield f"<rect {box}><title>{title}</title></rect>"


def _axis(start: float, span: float, height: int) -> Iterator[str]:
    step = next((s for s in (300, 900, 1800, 3600, 7200, 14400, 43200) if span / s <= 12), 86400)  # noqa: PLR2004
    at = -(-start // step) * step
    while at <= start + span:
        x = _x(at, start, span)
        yield f'<line x1="{x}" x2="{x}" y1="0" y2="{height - ROW}" class="tick"/>'
        yield f'<text x="{x}" y="{height - 6}" class="tick">{hours(at)}</text>'
        at += step
