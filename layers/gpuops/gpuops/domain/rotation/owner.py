"""Whose text a group is made from: what a roll changes must be written there too, or the next deployment undoes it.

CloudFormation tags what it makes (aws:cloudformation:stack-name, its user guide, "Resource tags"). Terraform tags
nothing by itself: its users do, by default_tags and by habit, so a handful of names is looked for.
"""

from collections.abc import Iterable, Mapping

from gpuops.domain.rotation.change import Undo
from gpuops.domain.rotation.group import Group
from gpuops.domain.rotation.launch import templates_of

STACK = "aws:cloudformation:stack-name"
HABITS = frozenset({"managed-by", "managed_by", "managedby", "created-by", "createdby", "provisioner", "iac", "tool"})
"""Keys under which people write which tool made something, in small letters."""


def owner_of(tags: Iterable[Mapping[str, str]]) -> str | None:
    """Return who owns something with these tags, of the group first, then of its templates; None where nobody says."""
    listed = list(tags)
    stack = next((found[STACK] for found in listed if found.get(STACK)), None)
    if stack:
        return f"CloudFormation stack {stack}"
    return "Terraform" if any(_is_terraforms(key, value) for found in listed for key, value in found.items()) else None


def _is_terraforms(key: str, value: str) -> bool:
    """`ManagedBy: terraform`, `terraform: true`, `terraform:workspace: prod`, `TerraformWorkspace: prod`."""
    name, said = key.lower(), value.lower()
    habit = name in HABITS and "terraform" in said
    return habit or (name.startswith("terraform") and said not in {"", "false", "no", "0"})


def to_commit(owner: str, undo: Undo, group: Group) -> str:
    """Return what the owner's text must say from now on, for the report."""
    names = {moved.source.id: moved for moved in undo.moved}
    parts = [f"image {undo.target.ami} ({undo.target.release})"]
    for template in templates_of(group.launch):
        moved = names.get(template.id)
        follows = template.version in {"$Latest", "$Default"}
        number = moved.new.version if moved and moved.new and follows else template.version
        parts.append(
            f"launch template {template.id} version {number}" + (f", by {template.version}" if follows else "")
        )
    return f"commit to {owner}: " + "; ".join(parts)
