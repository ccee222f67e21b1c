"""The rules for the end: what the world must look like again, each a pure function over two readings of it."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from rehearsal.observer.cluster import Cluster
from rehearsal.observer.model import TOLD, Expectations
from rehearsal.observer.reading import annotations, labels, name_of, taint_keys
from rehearsal.observer.region import Ending, Execution, Group

Finding = tuple[str, str]
"""The rule's name and what broke it."""


def judge_groups(before: Mapping[str, Group], after: Mapping[str, Group], expected: Expectations) -> Iterator[Finding]:
    """Sizes, suspended processes and protection are as they were, or as expected; there is no group more and none less.

    Of a group that has moved, the new one is judged by what the old one was.
    """
    successors = find_successors(before, after, expected)
    for name, old in before.items():
        new = after.get(successors.get(name, name))
        if new is None:
            yield "group_gone", name
        elif name in expected.moved and (name in after or name not in successors):
            yield "group_moved", f"{name}: no group {expected.moved[name]} has taken its place"
        else:
            yield from _judge_group(old, new, {**old.sizes, **expected.groups.get(name, {})})
    for name in sorted(after.keys() - before.keys() - set(successors.values())):
        yield "group_more", name


def find_successors(
    before: Mapping[str, Group], after: Mapping[str, Group], expected: Expectations
) -> Mapping[str, str]:
    """By group, the only new group that the expected pattern fits."""
    new = after.keys() - before.keys()
    fits = {name: [each for each in new if fnmatchcase(each, wanted)] for name, wanted in expected.moved.items()}
    return {name: found[0] for name, found in fits.items() if len(found) == 1}


def _judge_group(old: Group, new: Group, sizes: Mapping[str, int]) -> Iterator[Finding]:
    for kind, wanted in sizes.items():
        if new.sizes[kind] != wanted:
            yield f"{kind}_size", f"{new.name}: {kind} is {new.sizes[kind]}, not {wanted}"
    serving = [i for i in new.instances if i.state == "InService"]
    if len(serving) != sizes["desired"] or len(serving) != len(new.instances):
        states = ", ".join(f"{i.instance_id} {i.state}" for i in new.instances if i.state != "InService")
        yield "instances", f"{new.name}: {len(serving)} in service of {sizes['desired']} wanted; {states or 'no other'}"
    if new.image and serving and new.image not in {i.image for i in serving}:
        yield "launch_template", f"{new.name}: it would launch {new.image}, which none of its instances runs"
    if left := sorted(new.suspended - old.suspended):
        yield "suspended_processes", f"{new.name}: {', '.join(left)}"
    if new.protects_new and not old.protects_new:
        yield "protection", f"{new.name}: new instances are protected from scale-in"
    known = {i.instance_id for i in old.instances if i.protected}
    for instance in new.instances:
        if instance.protected and instance.instance_id not in known and not old.protects_new:
            yield "protection", f"{new.name}: {instance.instance_id} is protected from scale-in"


def judge_nodes(before: Cluster, after: Cluster, expected: Expectations) -> Iterator[Finding]:
    """No taint, cordon, label or annotation of the product's is left, but on nodes that are left to a person."""
    kept_closed = in_quarantine(after, expected)
    for name, node in after.nodes.items():
        if name in kept_closed:
            continue
        old = before.nodes.get(name)
        tainted = taint_keys(old) if old else []
        for key in taint_keys(node):
            if (key == expected.startup_taint or "gpuops" in key) and key not in tainted:
                yield "taint", f"{name}: {key}"
        if node["spec"].get("unschedulable") and not (old and old["spec"].get("unschedulable")):
            yield "cordon", name
        keys = {**labels(node), **annotations(node)}.keys()
        kept = {**labels(old), **annotations(old)} if old else {}
        for key in sorted(keys - kept.keys() - set(expected.allowed_keys)):
            if key.startswith(expected.prefixes):
                yield "label", f"{name}: {key}"


def in_quarantine(after: Cluster, expected: Expectations) -> set[str]:
    """The nodes that the product keeps closed because of a fault."""
    return {name for name, node in after.nodes.items() if expected.fault_key in annotations(node)}


def judge_quarantine(after: Cluster, ending: Ending, expected: Expectations) -> Iterator[Finding]:
    """As many nodes as expected are left to a person; or those of which a repair said so that failed."""
    kept = in_quarantine(after, expected)
    if expected.quarantined != TOLD and len(kept) != expected.quarantined:
        yield "quarantine", f"{len(kept)} nodes are in quarantine, not {expected.quarantined}"
    for name in sorted(kept) if expected.quarantined == TOLD else ():
        if why := _why_untold(annotations(after.nodes[name]), ending, expected):
            yield "quarantine", f"{name} stays in quarantine, and {why}"


def _why_untold(notes: Mapping[str, str], ending: Ending, expected: Expectations) -> str | None:
    """What is missing for a node to be a person's."""
    name = notes.get(expected.fault_run_key, "")
    repairs = [each for each in ending.executions if each.name == name and _reports(each, expected)]
    if expected.settled_key not in notes:
        return "nobody wrote that its repair has ended"
    if not repairs or not _reported(repairs[0], ending):
        return f"there is no report of its repair {name}"
    return f"its repair {name} succeeded" if repairs[0].status == "SUCCEEDED" else None


def judge_smoke(after: Cluster, expected: Expectations) -> Iterator[Finding]:
    """No smoke pod and no smoke Job is left."""
    for kind, objects in (("Job", after.jobs), ("pod", after.pods)):
        for item in objects.values():
            if expected.smoke_label in labels(item):
                yield "smoke", f"{kind} {name_of(item)}"


def judge_items(ending: Ending, expected: Expectations) -> Iterator[Finding]:
    """No lock, original, claim or budget slot is left in the table."""
    rules = {"undo#": "undo", "budget#": "budget_slot", "claim#": "claim", "open#": "open_change"}
    for item in ending.items:
        prefix = next((p for p in expected.forbidden_items if item.startswith(p)), None)
        if prefix:
            yield rules.get(prefix, "lock"), item


def judge_executions(ending: Ending, expected: Expectations) -> Iterator[Finding]:
    """Every execution has ended, and those that must report have, unless their event was none of the product's."""
    for execution in ending.executions:
        if execution.status == "RUNNING":
            yield "still_running", f"{execution.machine}/{execution.name}"
        elif _reports(execution, expected) and not execution.ignored and not _reported(execution, ending):
            yield "no_report", f"{execution.machine}/{execution.name} ended {execution.status}"


def _reports(execution: Execution, expected: Expectations) -> bool:
    return any(fnmatchcase(execution.machine, pattern) for pattern in expected.reported_machines)


def _reported(execution: Execution, ending: Ending) -> bool:
    return any(key.endswith(f"/{execution.name}.json") for key in ending.reports)


def nodes_replaced(before: Mapping[str, Group], after: Mapping[str, Group], expected: Expectations) -> int:
    """Instances of the beginning that are no longer in their group, as far as others stand in for them."""
    count = 0
    successors = find_successors(before, after, expected)
    for name, old in before.items():
        was = {i.instance_id for i in old.instances}
        new = after.get(successors.get(name, name))
        now = {i.instance_id for i in new.instances} if new else set()
        count += min(len(was - now), len(now - was))
    return count
