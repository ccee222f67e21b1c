"""What is written about the code stays true: generated pages are current, decisions stay short enough to be read."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
DECISIONS = sorted((DOCS / "adr").glob("*.md"))
LONGEST_LINES = 30


def test_the_generated_pages_are_current(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition, the template, the policy or a gate changed: `make docs` writes the pages anew."""
    monkeypatch.syspath_prepend(str(DOCS))
    main = runpy.run_path(str(DOCS / "generate.py"))["main"]

    assert main(["--check"]) == 0, capsys.readouterr().out


def test_no_page_bears_the_marks_of_a_merge() -> None:
    """Half of two tables is neither."""
    pages = [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]
    marked = [page.name for page in pages if re.search(r"^(<{7}|>{7}|={7}$)", page.read_text(), re.MULTILINE)]

    assert pages
    assert marked == []


def test_decisions_are_numbered_without_a_gap() -> None:
    """One that was dropped is said to be, not deleted."""
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert DECISIONS


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_short_page(path: Path) -> None:
    """Context, decision, cost."""
    lines = path.read_text().splitlines()
    assert len(lines) <= LONGEST_LINES
    assert [line for line in lines if line.startswith("## ")] == ["## Context", "## Decision", "## Cost"]
