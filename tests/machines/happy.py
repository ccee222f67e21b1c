"""What every function answers when all goes well, and the input of the machines: a test says only what differs."""

from typing import Any

LATER = "2026-11-23T12:00:00Z"

RUN = {
    "id": "roll-1",
    "execution": "arn:aws:states:us-east-1:123456789012:execution:rotate-ami:roll-1",
    "machine": "rotate-ami",
    "cluster": "demo",
    "group": "gpu",
    "policy": "v1",
    "mode": "apply",
}
REPAIR_RUN = {
    **RUN,
    "id": "node-1",
    "execution": "arn:aws:states:us-east-1:123456789012:execution:remediate-gpu:node-1",
    "machine": "remediate-gpu",
}
CHANGE = {"status": "open", "reason": "ok", "fence": 1, "template": {"id": "lt-1", "version": "2"}, "surge": 1}

HAPPY: dict[str, dict[str, Any]] = {
    "PlanRotation": {"status": "current", "run": RUN, "target": {"ami": "ami-1", "release": "r1"}, "surge": 1},
    "BeginRotation": {"status": "go"},
    "RequestApproval": {"status": "asked", "expires": LATER},
    "SteerRun": {"status": "paused"},
    "OpenChange": CHANGE,
    "JudgeCanary": {"status": "good", "since": LATER, "wait_seconds": 60},
    "OpenRollback": {"status": "none"},
    "ClaimNode": {
        "status": "claimed",
        "slot": "i-1",
        "instance": "i-1",
        "decrement": False,
        "node": "new",
        "started": LATER,
        "deadline": LATER,
        "wait_seconds": 30,
    },
    "DrainNode": {"status": "drained", "node": "old", "started": LATER, "deadline": LATER, "wait_seconds": 20},
    "RetireNode": {"status": "retired", "deadline": LATER, "wait_seconds": 25},
    "ReplaceRoot": {"status": "replaced", "admission": "roll-1-forward-i-1", "deadline": LATER, "wait_seconds": 20},
    "ReturnNode": {"status": "returned", "node": "old"},
    "CloseChange": {"status": "closed"},
    "WriteReport": {"status": "written", "html": "reports/roll-1.html", "json_": "reports/roll-1.json"},
    "AwaitJobs": {
        "status": "ready",
        "since": LATER,
        "ask": {"Version": "1.36", "ReleaseVersion": "r1", "Force": False},
    },
    "JudgeUpdate": {"status": "updated", "deadline": LATER},
    "FindNode": {"status": "found", "run": RUN, "instance": "i-1", "node": "node-1", "hook": None, "deadline": LATER},
    "ConfigureNode": {"status": "configured", "config": "exclusive", "replicas": 1},
    "CheckNode": {"status": "ready", "gpus": 1, "allocatable": 1},
    "StartSmoke": {"status": "started", "run": RUN, "job": "smoke-1", "deadline": LATER},
    "ReadSmoke": {"status": "passed"},
    "QuarantineNode": {"status": "closed", "at": LATER, "wait_seconds": 300},
    "AdmitInstance": {"status": "admitted"},
    "GuardLaunch": {"status": "closed"},
    "ApplyConfig": {"status": "in_sync", "cluster": "demo", "mode": "apply", "policy": "v1"},
    "PlanSlicing": {
        "status": "changed",
        "cluster": "demo",
        "policy": "v1",
        "pools": [{"group": "gpu", "mode": "apply", "status": "grow", "now": 1, "replicas": 2, "reason": "2 fit"}],
    },
    "MarkNodes": {"status": "marked"},
    "SelectNode": {"status": "done"},
    "RelabelNode": {"status": "configured", "config": "r4", "replicas": 4, "deadline": LATER},
    "SettleNode": {"status": "kept"},
    "IsolateNode": {"status": "closed", "run": REPAIR_RUN, "node": "node-1", "instance": "i-0123456789abcdef0"},
    "DiagnoseFault": {"action": "replace"},
    "RepairGpu": {"status": "repaired", "wait_seconds": 60},
    "OpenRepair": {"status": "clear", "since": LATER, "wait_seconds": 60},
    "CloseRepair": {"status": "repaired"},
    "DetectFaults": {"status": "looked", "reason": "nothing new"},
    "ReceiveSignals": {"status": "received", "reason": "1 started"},
    "ListLeftovers": {"status": "listed", "changes": [], "admissions": [], "repairs": [], "lost": []},
}

NODE = {"run": RUN, "change": CHANGE, "instance": "i-1", "decrement": False}
"""Input of replace_node."""
UPDATE = {
    "run": RUN,
    "change": CHANGE,
    "target": {"ami": "ami-1", "release": "r1"},
    "managed": {"nodegroup": "gpu", "strategy": None},
}
"""Input of update_managed_group."""
SMOKE = {"run": RUN, "node": "node-1"}
"""Input of smoke_node."""
LAUNCHED = {"group": "gpu", "instance": "i-0123456789abcdef0"}
"""Input of admit_node."""
ORDER = {"cluster": "demo", "group": "gpu"}
"""Input of rotate_ami."""
CONFIG = {"cluster": "demo"}
"""Input of apply_gpu_config."""
SHARE = {"run": RUN, "node": "node-1", "instance": "i-0123456789abcdef0", "key": "r4", "turn": 1}
"""Input of share_node."""
FAULT: dict[str, Any] = {"fault": {"node": "node-1", "kind": "xid", "xid": 79, "first_seen": "2026-11-23T10:00:00Z"}}
"""Input of remediate_gpu."""
