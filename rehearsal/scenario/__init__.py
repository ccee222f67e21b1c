"""A scenario: a world, what happens in it and what must hold, as one YAML file.

Strict on purpose: unknown keys, dangling names and repeated keys are errors with file and line.
"""

from rehearsal.scenario.file import SCENARIOS, ScenarioError, load, names, parse, schema
from rehearsal.scenario.model import Scenario
from rehearsal.scenario.story import Expect, ExpectedExecution, Moment, Scale, Start, Trigger, WireFault
from rehearsal.scenario.world import Group, Release, Toleration, Workload, Zone

__all__ = [
    "SCENARIOS",
    "Expect",
    "ExpectedExecution",
    "Group",
    "Moment",
    "Release",
    "Scale",
    "Scenario",
    "ScenarioError",
    "Start",
    "Toleration",
    "Trigger",
    "WireFault",
    "Workload",
    "Zone",
    "load",
    "names",
    "parse",
    "schema",
]
