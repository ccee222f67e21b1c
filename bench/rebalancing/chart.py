"""R(t), GPUs and pods, memory and busy, for planner and optimum: one picture, drawn by hand as SVG."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.rebalancing.score import Course

WIDTH, HEIGHT, LEFT = 900, 120, 170
COLOURS = {"planner": "#0b6e4f", "optimum": "#c0392b"}
PANELS = (
    ("shares of a GPU", "rungs"),
    ("GPUs", "gpus"),
    ("pods", "pods"),
    ("memory of the fullest GPU", "memory"),
    ("busy, mean", "busy"),
)


def draw(path: Path, title: str, courses: Mapping[str, Course], warm_up: int) -> None:
    """Write the picture; the warm-up ends at the dashed line."""
    parts = [_text(10, 16, title)]
    parts += [_text(LEFT + 200 * i + 300, 16, name, COLOURS[name]) for i, name in enumerate(courses)]
    for place, (name, attribute) in enumerate(PANELS):
        top = 30 + place * (HEIGHT + 20)
        series = {who: [float(value) for value in getattr(course, attribute)] for who, course in courses.items()}
        parts += _panel(top, name, series, warm_up)
    total = 30 + len(PANELS) * (HEIGHT + 20)
    size = f'viewBox="0 0 {WIDTH + LEFT + 10} {total}"'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>', encoding="utf-8")


def _panel(top: int, name: str, series: Mapping[str, Sequence[float]], warm_up: int) -> list[str]:
    highest = max((max(values, default=0.0) for values in series.values()), default=0.0) or 1.0
    minutes = max(len(values) for values in series.values())
    begin = LEFT + WIDTH * warm_up / minutes
    parts = [_text(10, top + 14, name), _text(10, top + 30, f"0 to {highest:.4g}")]
    parts.append(f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/>')
    parts.append(f'<path d="M{begin:.0f} {top}v{HEIGHT}" stroke="#888" stroke-dasharray="4"/>')
    for who, values in series.items():
        points = " ".join(
            f"{LEFT + WIDTH * i / minutes:.1f},{top + HEIGHT * (1 - value / highest):.1f}"
            for i, value in enumerate(values)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[who]}"/>')
    return parts


def _text(left: float, top: float, words: str, colour: str = "#222") -> str:
    return f'<text x="{left}" y="{top}" font-family="sans-serif" font-size="12" fill="{colour}">{words}</text>'
