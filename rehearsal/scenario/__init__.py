"""A scenario: a world, what happens in it and what must hold, as one YAML file.

Strict on purpose: unknown keys, dangling names and repeated keys are errors with file and line.
"""

from rehearsal.scenario.expect import Expect, ExpectedExecution, ExpectedObject
from rehearsal.scenario.faults import EventFault, Interruption, WireFault
from rehearsal.scenario.file import SCENARIOS, ScenarioError, load, names, parse, schema
from rehearsal.scenario.kinds import collection
from rehearsal.scenario.model import Scenario
from rehearsal.scenario.signals import AlarmState, Message
from rehearsal.scenario.story import (
    Bounds,
    MachineFault,
    Moment,
    Patch,
    RemoveTaint,
    Scale,
    Start,
    Steer,
    Trigger,
    Withdrawal,
)
from rehearsal.scenario.world import Alarm, Board, Group, Release, Toleration, Workload, Zone

__all__ = [
    "SCENARIOS",
    "Alarm",
    "AlarmState",
    "Board",
    "Bounds",
    "EventFault",
    "Expect",
    "ExpectedExecution",
    "ExpectedObject",
    "Group",
    "Interruption",
    "MachineFault",
    "Message",
    "Moment",
    "Patch",
    "Release",
    "RemoveTaint",
    "Scale",
    "Scenario",
    "ScenarioError",
    "Start",
    "Steer",
    "Toleration",
    "Trigger",
    "WireFault",
    "Withdrawal",
    "Workload",
    "Zone",
    "collection",
    "load",
    "names",
    "parse",
    "schema",
]
