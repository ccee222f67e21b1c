"""The report as one HTML page that needs nothing else: it is read from a bucket, long after the run.

Every name in it came from outside (pods, nodes, error messages), so everything is escaped, without exception.
"""

from collections.abc import Iterable
from html import escape

from gpuops.domain.rotation.facts import Sight
from gpuops.domain.rotation.report import Line, Report, Step

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .4rem}
.outcome{font-size:1.1rem;margin:.3rem 0}.bad{color:#a11}.good{color:#171}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #ddd;
vertical-align:top}th{font-weight:600}td.n{text-align:right;white-space:nowrap}
"""


def render_page(report: Report) -> str:
    """Return the page."""
    mood = "good" if report.good else "bad"
    run = report.run or {}
    parts = [
        f"<h1>{escape(report.name)}</h1>",
        f'<p class="outcome {mood}">{escape(report.outcome)}</p><p>{escape(report.reason)}</p>',
        _facts([(key, str(run[key])) for key in ("cluster", "group", "mode", "policy", "execution") if key in run]),
        *_plan(report),
        *_canary(report),
        *_rollback(report),
        *_admission(report),
        *_configuration(report),
        *_repair(report),
        *_steps(report),
        *_close(report),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(report.name)}</title>'
    return f"{head}<style>{STYLE}</style><body>{''.join(parts)}</body></html>"


def _plan(report: Report) -> Iterable[str]:
    """What was planned, and how each node ended."""
    plan = report.plan or {}
    if not plan:
        return
    target = plan.get("target") or {}
    yield "<h2>Plan</h2>"
    yield _facts(
        [
            ("target", f"{target.get('release', '')} ({target.get('ami', '')})"),
            ("strategy", f"{plan.get('strategy', '')}: {plan.get('strategy_reason', '')}"),
            ("nodes at a time", str(plan.get("surge"))),
            *Sight.model_validate(plan.get("sees") or {}).lines,
        ]
    )
    if report.approval:
        said = (str(report.approval.get(key) or "") for key in ("by", "at", "reason"))
        yield _facts([("approved by", " ".join(filter(None, said)))])
    yield _list(plan.get("changes", ()))
    rows = [
        (
            str(node.get("instance", "")),
            str(node.get("reason", "")),
            _role(node),
            str(node["status"]),
        )
        for node in report.ended()
    ]
    yield _table(("instance", "its place in the order", "", "ended"), rows)


def _role(node: Line) -> str:
    """What sets the node apart from the others of the plan."""
    return "canary" if node.get("canary") else "gives back the surge" if node.get("decrement") else ""


def _canary(report: Report) -> Iterable[str]:
    """What the bake came to."""
    if report.judge:
        yield "<h2>Canary</h2>"
        verdict = {"verdict": report.judge.get("status"), "reason": report.judge.get("reason")}
        yield _facts([(key, str(value)) for key, value in verdict.items()])


def _rollback(report: Report) -> Iterable[str]:
    """Whether nodes went back, and how each ended."""
    if not report.rollback:
        return
    yield "<h2>Rollback</h2>"
    yield f"<p>{escape(str(report.rollback.get('reason', '')))}</p>" + _list(report.rollback.get("restored", ()))
    rows = [
        (
            str(one.get("instance") or one.get("slot")),
            str(one.get("status")),
            str((one.get("error") or {}).get("reason", "")),
        )
        for one in report.back
    ]
    if rows:
        yield _table(("instance", "ended", "reason"), rows)


def _admission(report: Report) -> Iterable[str]:
    """Whose admission it was, and what its node and GPUs proved."""
    steps = {name: step for name in ("find", "check", "admit") if (step := getattr(report, name))}
    if not steps:
        return
    found, proof = report.find or {}, report.proof
    facts = {"instance": found.get("instance"), "node": found.get("node")}
    if proof:
        facts |= {"driver": proof.driver, "CUDA": proof.cuda, "product": proof.product, "UUIDs": ", ".join(proof.uuids)}
    yield "<h2>Admission</h2>"
    yield _facts([(key, str(value or "unknown")) for key, value in facts.items()])
    rows = [(name, str(step.get("status", "")), str(step.get("reason", ""))) for name, step in steps.items()]
    yield _table(("step", "verdict", "reason"), rows)
    if proof:
        yield "<h2>Evidence</h2>" + _list(proof.evidence)


def _configuration(report: Report) -> Iterable[str]:
    """Where the cluster differs from its policy, and what became of it."""
    findings = (report.apply or {}).get("findings", ())
    if not findings:
        return
    yield "<h2>Configuration</h2>"
    state = {(True, False): "left", (False, True): "put right"}
    rows = [
        (str(f.get("about")), str(f.get("what")), str(f.get("reason")), state.get((f.get("left"), f.get("done")), ""))
        for f in findings
    ]
    yield _table(("what", "is", "reason", ""), rows)


def _repair(report: Report) -> Iterable[str]:
    """What was seen of a GPU, and what was decided."""
    if not report.isolate:
        return
    fault = (report.event or {}).get("fault") or {}
    facts = {key: fault.get(key) for key in ("kind", "xid", "uuid", "first_seen")}
    facts |= {"node": report.isolate.get("node"), "instance": report.isolate.get("instance")}
    decided = report.diagnose or {}
    facts |= {"action": decided.get("action"), "because": decided.get("reason")}
    yield "<h2>Fault</h2>"
    yield _facts([(key, str(value or "unknown")) for key, value in facts.items()])
    yield _list(fault.get("evidence", ()))


def _steps(report: Report) -> Iterable[str]:
    """Each node's phases, and the run's own."""
    for subject, steps in report.steps().items():
        yield f"<h2>{escape(subject or 'The run')}</h2>"
        yield _table(("step", "began", "seconds", "asked", "status", "reason"), [_row(step) for step in steps])


def _row(step: Step) -> tuple[str, ...]:
    began = step.began.strftime("%Y-%m-%d %H:%M:%S")
    return step.function, began, f"{step.seconds:.0f}", str(step.asked), step.status, step.reason


def _close(report: Report) -> Iterable[str]:
    """What was put back, and what was not."""
    if report.close:
        yield "<h2>Put back</h2>" + _list(report.close.get("restored", ()))
        if report.close.get("left"):
            yield "<h2>Left</h2>" + _list(report.close["left"])


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    return "<p>" + "<br>".join(f"{escape(key)}: <b>{escape(value)}</b>" for key, value in pairs) + "</p>"


def _list(items: Iterable[object]) -> str:
    return "<ul>" + "".join(f"<li>{escape(str(item))}</li>" for item in items) + "</ul>"


def _table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
