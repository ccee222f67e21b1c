"""Writes the pages that can be read off the code, so that they cannot grow stale: `make docs`.

With --check nothing is written, and a page that differs ends the command with 1: this is what the tests run.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse
from tables import gates_page, policy_page

DOCS = Path(__file__).parent
ROOT = DOCS.parent
NOTE = "<!-- Written by `make docs`; edit its source instead. -->\n\n"


def machines_page() -> str:
    """Draw each definition as a Mermaid state diagram."""
    parts = [NOTE + "# State machines\n\nOne diagram for each file of `statemachines/`.\n"]
    for path in sorted((ROOT / "statemachines").glob("*.asl.json")):
        definition = json.loads(path.read_text())
        parts.append(f"## {path.name.split('.')[0]}\n\n{definition['Comment']}\n\n{_diagram(definition)}")
    return "\n".join(parts)


def _diagram(machine: dict[str, Any]) -> str:
    """Return one machine as Mermaid text; the states inside a Map stand in a box of their own."""
    return "\n".join(["```mermaid", "stateDiagram-v2", *_lines(machine, "  "), "```", ""])


def _lines(machine: dict[str, Any], indent: str) -> Iterator[str]:
    """Yield the arrows of one machine."""
    names = {name: name.rstrip("?") + ("_" if name.endswith("?") else "") for name in machine["States"]}
    for name, identifier in names.items():
        if name != identifier:
            yield f'{indent}state "{name}" as {identifier}'
    yield f"{indent}[*] --> {names[machine['StartAt']]}"
    for name, state in machine["States"].items():
        if "ItemProcessor" in state:
            yield f"{indent}state {names[name]} {{"
            yield from _lines(state["ItemProcessor"], indent + "  ")
            yield f"{indent}}}"
        for target, label in _arrows(state):
            yield f"{indent}{names[name]} --> {names.get(target, target)}{label}"


def _arrows(state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where a state may go, and why."""
    if state.get("End") or state["Type"] in ("Succeed", "Fail"):
        yield "[*]", f": {state['Type']}" if state["Type"] == "Fail" else ""
    if "Next" in state:
        yield state["Next"], ""
    for rule in state.get("Choices", []):
        yield rule["Next"], ": " + rule["Condition"][2:-2].strip().replace("$states.input.", "").replace(":", "")
    if "Default" in state:
        yield state["Default"], ": otherwise"
    for catch in state.get("Catch", []):
        yield catch["Next"], ": error"


def permissions_page() -> str:
    """List what each function may do, as the template grants it."""
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    shared = {n: r["Properties"] for n, r in resources.items() if r["Type"] == "AWS::IAM::ManagedPolicy"}
    groups = {
        r["Properties"]["PrincipalArn"]["Fn::GetAtt"][0].removesuffix("Role"): r["Properties"]["KubernetesGroups"]
        for r in resources.values()
        if r["Type"] == "AWS::EKS::AccessEntry"
    }
    rows = [
        NOTE
        + "# Permissions\n\nEvery function and machine has a role of its own; `*` stands only where AWS takes no ARN. "
        + "Which scenario shows that a right is needed: [grants.yaml](grants.yaml).\n"
    ]
    for name, resource in resources.items():
        if resource["Type"] in ("AWS::Serverless::Function", "AWS::Serverless::StateMachine"):
            properties = resource["Properties"]
            what = properties.get("Description") or properties["DefinitionUri"]
            rows.append(f"\n## {name}\n\n{what}. " + _kubernetes(groups.get(name)))
            rows += [
                "\n| action | resource | only if |\n|---|---|---|",
                *_grants(properties.get("Policies", []), shared),
            ]
    return "\n".join(rows) + "\n"


def _kubernetes(groups: list[str] | None) -> str:
    """Say which Kubernetes groups the role is mapped to."""
    return f"Kubernetes groups: {', '.join(f'`{g}`' for g in groups)}." if groups else "No access to Kubernetes."


def _grants(policies: list[Any], shared: dict[str, Any]) -> Iterator[str]:
    """Yield one table row for each statement."""
    for policy in policies:
        document = shared[policy["Ref"]]["PolicyDocument"] if "Ref" in policy else policy
        for statement in document["Statement"]:
            yield _row(statement)


def _row(statement: dict[str, Any]) -> str:
    """Return one statement as a table row; one that hangs on a template condition says so."""
    when = ""
    if "Fn::If" in statement:
        when, statement = f"template condition {statement['Fn::If'][0]}; ", statement["Fn::If"][1]
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    where = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    when += _text(statement["Condition"]) if "Condition" in statement else ""
    return f"| {'<br>'.join(actions)} | {'<br>'.join(_text(w) for w in where)} | {when} |"


def _text(value: Any) -> str:
    """Return a template value on one line, without the noise of its functions."""
    if isinstance(value, dict) and len(value) == 1:
        key, inner = next(iter(value.items()))
        if key == "Fn::GetAtt":
            return f"`{'.'.join(inner)}`"
        if key in ("Fn::Sub", "Ref"):
            return f"`{inner}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


PAGES: dict[str, Callable[[], str]] = {
    "state-machines.md": machines_page,
    "permissions.md": permissions_page,
    "policy.md": lambda: NOTE + policy_page(),
    "gates.md": lambda: NOTE + gates_page(),
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check say which of them are stale."""
    stale = [
        name for name, page in PAGES.items() if (DOCS / name).exists() is False or (DOCS / name).read_text() != page()
    ]
    if "--check" in arguments:
        print(f"stale: {', '.join(stale)}; run `make docs`" if stale else "the generated pages are current")
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name]())
        print(f"docs/{name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
