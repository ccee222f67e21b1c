"""What comes from outside is data everywhere: it never becomes code, a path, a query, or a part of a page.

Covers: no function that runs text; no expression made of text in a machine; names in paths and selectors; pages full of
hostile names, as a parser sees them and, where Chromium is installed, as a browser does.
"""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gpuops.adapters.kube import Kube, on_node
from gpuops.domain.errors import Invalid
from gpuops.domain.rotation.page import render_page
from gpuops.domain.rotation.report import Report
from rehearsal.chronicle import Lane, Mark
from rehearsal.control_plane import certificates
from rehearsal.report import ExecutionResult, Result, page

ROOT = Path(__file__).parents[2]
DEPLOYED = [*(ROOT / "layers/gpuops/gpuops").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
MACHINES = sorted((ROOT / "statemachines").glob("*.asl.json"))
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "system", "popen", "Popen", "check_output", "spawn"}
SAFE_YAML = {"yaml.safe_load", "yaml.safe_load_all", "yaml.safe_dump", "yaml.compose", "yaml.scan", "yaml.parse"}
FORBIDDEN = {"subprocess", "pickle", "marshal", "shelve", "pty", "ctypes", "jinja2"}
HOSTILE = (
    "</td></script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'\"&{{7*7}}"
)
"""As a pod, a label, an annotation, a log line or an alarm may be called by whoever made it."""
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STEP = {"function": HOSTILE, "subject": HOSTILE, "at": NOW.isoformat(), "status": HOSTILE, "reason": HOSTILE}
SAID = {"status": HOSTILE, "reason": HOSTILE, "instance": HOSTILE, "node": HOSTILE}
PLANNED = {
    **SAID,
    "target": {"release": HOSTILE, "ami": HOSTILE},
    "strategy": HOSTILE,
    "strategy_reason": HOSTILE,
    "surge": HOSTILE,
    "changes": [HOSTILE],
    "nodes": [{"instance": HOSTILE, "reason": HOSTILE}],
}
REPORT = Report(
    name=HOSTILE,
    written=NOW,
    run=dict.fromkeys(("cluster", "group", "mode", "policy", "execution"), HOSTILE),
    plan=PLANNED,
    approval={"by": HOSTILE, "reason": HOSTILE},
    judge=SAID,
    rollback={"reason": HOSTILE, "restored": [HOSTILE]},
    back=[{**SAID, "error": {"reason": HOSTILE}}],
    close={"restored": [HOSTILE], "left": [HOSTILE]},
    find=SAID,
    check=SAID,
    admit=SAID,
    apply={"findings": [{"about": HOSTILE, "what": HOSTILE, "reason": HOSTILE}]},
    isolate=SAID,
    event={"fault": {"kind": HOSTILE, "evidence": [HOSTILE]}},
    diagnose={"action": HOSTILE, "reason": HOSTILE},
    error={"name": HOSTILE, "reason": HOSTILE},
    lines=[{**STEP, "evidence": [HOSTILE], "driver": HOSTILE, "cuda": HOSTILE, "product": HOSTILE, "uuids": [HOSTILE]}],
)
EXECUTION = ExecutionResult(HOSTILE, HOSTILE, HOSTILE, 0.0, 60.0, HOSTILE, HOSTILE, ((0.0, HOSTILE),))
OBSERVED = {"violations": [{"rule": HOSTILE, "what": HOSTILE, "at": 1.0}]}
RESULT = Result(HOSTILE, "failed", (EXECUTION,), OBSERVED, (HOSTILE,), 1.0, 60.0, HOSTILE)
PAGES = {
    "of a run": render_page(REPORT),
    "of a rehearsal": page(RESULT, [Lane(HOSTILE, HOSTILE, [Mark(0.0, "serving")])], [(HOSTILE, 1, 0)], HOSTILE),
}
ELEMENTS = {
    "html",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "p",
    "b",
    "br",
    "ul",
    "li",
    "table",
    "tr",
    "th",
    "td",
    "code",
} | {"span", "div", "i", "details", "summary", "pre", "svg", "g", "text", "line", "rect", "path"}
"""What the pages are made of: nothing that runs, loads or links."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Seen(HTMLParser):
    """What a parser makes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements, self.attributes, self.text = set[str](), set[str](), ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element and its attributes."""
        self.elements.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data


@pytest.mark.parametrize("name", PAGES)
def test_a_page_full_of_hostile_names_has_no_element_of_theirs(name: str) -> None:
    """Every name is there to be read, to the letter, and nothing of it became part of the page."""
    seen = Seen()
    seen.feed(PAGES[name])

    assert seen.elements <= ELEMENTS
    assert not {
        attribute for attribute in seen.attributes if attribute.startswith("on") or attribute in {"src", "href"}
    }
    assert seen.text.count(HOSTILE) > 9


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_browser_runs_nothing_of_a_hostile_page(tmp_path: Path) -> None:
    """The same names without escapes would change the title: this is tried first."""
    asked = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]

    def shown(html: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        done = subprocess.run([*asked, path.as_uri()], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout

    assert "<title>owned</title>" in shown(f"<title>x</title><table><tr><td>{HOSTILE}</td></tr></table>")
    for html in PAGES.values():
        dom = shown(html)
        assert not {part for part in ("<title>owned</title>", "<script", "<img") if part in dom}


def nodes_of(path: Path) -> Iterator[ast.AST]:
    """The syntax of a module."""
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_deploys_runs_text(path: Path) -> None:
    """No shell, no interpreter, no unpickling, no YAML that makes objects."""
    imported = {
        alias.name.partition(".")[0] for node in nodes_of(path) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module).partition(".")[0] for node in nodes_of(path) if isinstance(node, ast.ImportFrom)}
    called = [ast.unparse(node.func) for node in nodes_of(path) if isinstance(node, ast.Call)]

    assert not imported & FORBIDDEN
    assert not {
        name
        for name in called
        if name in RUNS_TEXT or name.startswith(("os.system", "os.exec", "os.spawn", "os.popen"))
    }
    assert not {name for name in called if name.startswith("yaml.") and name not in SAFE_YAML}


def texts(value: Any) -> Iterator[str]:
    """Every text in a definition."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(inner)


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.name)
def test_no_expression_of_a_machine_is_made_of_text(path: Path) -> None:
    """`$eval` would run what an event says; a substitution in an expression would be one made at deploy time."""
    for text in texts(json.loads(path.read_text())):
        if text.startswith("{%"):
            assert "$eval" not in text
            assert "${" not in text
        assert "${" not in text or re.fullmatch(r"\$\{[A-Za-z]+\}", text), text


@pytest.mark.parametrize(
    "path", sorted((ROOT / "layers/gpuops/gpuops/manifests").glob("smoke*.yaml")), ids=lambda path: path.name
)
def test_no_placeholder_stands_inside_a_command(path: Path) -> None:
    """A command is ours to the letter, or one placeholder whose text is ours with a number in it."""
    for line in path.read_text().splitlines():
        if "command:" in line and "$" in line:
            assert line.strip() in ("command: [/bin/sh, -c, $hold]", "command: [/bin/sh, -c, $diagnose]")


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Kube:
    """A connection to nobody: what is refused here was never sent."""
    folder = tmp_path_factory.mktemp("ca")
    certificates.authority("nobody").write(folder, "ca")
    return Kube("https://127.0.0.1:9", (folder / "ca.crt").read_text(), "t")


@pytest.mark.parametrize(
    "name", ["../secrets", "..", ".", "", "n/../../secrets", "n?watch=true", "n%2f..", "n x", "n\r\nX: y", "n#"]
)
def test_a_name_never_leads_to_another_path(kube: Kube, name: str) -> None:
    """The client would resolve dots, and a node's name comes with an event."""
    with pytest.raises(Invalid, match="no path of the apiserver"):
        kube.get(f"/api/v1/nodes/{name}")


@pytest.mark.parametrize("name", ["a,metadata.namespace=kube-system", "a=b", "", "!a", "A", "-a", "a" * 254])
def test_a_name_in_a_selector_is_a_name(name: str) -> None:
    """A drained node would look empty through a narrower selector."""
    with pytest.raises(Invalid, match="no name of a node"):
        on_node(name)
