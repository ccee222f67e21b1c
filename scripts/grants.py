"""Says of each right in the template which scenario shows that it is needed: `make grants`, after rehearsals.

Reads the `grants.json` that rehearsals left in out/ and keeps what docs/grants.yaml said before, as long as the
template still grants it. What no scenario used gets a `?`, to be replaced by a reason or taken out of the template.
"""  # noqa: INP001 - a script, not a package

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from rehearsal.granted import granted
from rehearsal.scenario import names

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "grants.yaml"
DEFAULT = "roll"
"""Not among those that the tests rehearse."""
HEAD = """\
# Each right of each role, and the scenario that makes use of it, or the reason why it is granted though none does.
# Written by `make grants` from what rehearsals left in out/; the tests rehearse every scenario that is named here.
"""
Grant = tuple[str, str]


def flat(grants: Mapping[str, list[str]]) -> set[Grant]:
    """Pairs of role and grant."""
    return {(role, grant) for role, found in grants.items() for grant in found}


def before() -> dict[Grant, str]:
    """What the page says now, question marks left out."""
    page = yaml.safe_load(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    return {(role, grant): why for role, found in page.items() for grant, why in found.items() if why != "?"}


def runs(folders: list[Path]) -> dict[str, set[Grant]]:
    """What each scenario made use of; later folders are other machines' or other days'."""
    known, found = set(names()) - {DEFAULT}, dict[str, set[Grant]]()
    for path in sorted(path for folder in folders for path in folder.glob("*/grants.json")):
        if path.parent.name in known:
            found.setdefault(path.parent.name, set()).update(flat(json.loads(path.read_text(encoding="utf-8"))))
    return found


def attribute(missing: set[Grant], shown: dict[str, set[Grant]]) -> dict[Grant, str]:
    """Few scenarios for all of them: whichever shows most of what is left comes next."""
    left, made = set(missing), dict[Grant, str]()
    while left and (best := max(sorted(shown), key=lambda name: len(left & shown[name]), default="")):
        if not left & shown[best]:
            break
        made.update(dict.fromkeys(left & shown[best], best))
        left -= shown[best]
    return made | dict.fromkeys(left, "?")


def main(folders: list[str]) -> int:
    """Write the page; 1 where something is neither shown nor explained."""
    wanted = flat(granted(ROOT / "template.yaml"))
    said = {grant: why for grant, why in before().items() if grant in wanted}
    said |= attribute(wanted - said.keys(), runs([Path(folder) for folder in folders] or [ROOT / "out"]))
    page: dict[str, dict[str, str]] = {}
    for (role, grant), why in sorted(said.items()):
        page.setdefault(role, {})[grant] = why
    PAGE.write_text(HEAD + yaml.safe_dump(page, sort_keys=False, width=200), encoding="utf-8")
    unknown = [f"{role}: {grant}" for (role, grant), why in sorted(said.items()) if why == "?"]
    print(f"{len(said)} grants, {len(unknown)} neither used nor explained", *unknown, sep="\n  ")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
