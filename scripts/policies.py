"""Hands the template's policies to a linter that reads no template, and judges what it finds: `make audit`.

`policies.py FOLDER` writes each document of each role into a file; `policies.py -` reads parliament's findings and ends
with 1 where one has no reason below to be left alone.
"""  # noqa: INP001 - a script, not a package

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rehearsal.granted import documents

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
GIVEN = {
    "<NodeRoleArn>": "arn:aws:iam::123456789012:role/gpu-nodes",
    "<ApprovalTopicArn>": "arn:aws:sns:us-east-1:123456789012:approvals",
    "<AlarmTopicArn>": "arn:aws:sns:us-east-1:123456789012:alarms",
    "<PrometheusWorkspaceArn>": "arn:aws:aps:us-east-1:123456789012:workspace/ws-1",
    "<ClusterName>": "demo",
}
"""Parameters as an operator gives them: a linter wants ARNs."""
LEFT = {
    ("RESOURCE_MISMATCH", "ec2:RunInstances"): (
        "the launch template stands in a statement of its own, because only it carries the cluster's tag"
    ),
    ("RESOURCE_MISMATCH", "ssm:GetParameters"): "AWS's public parameters have no account in their ARN",
    ("RESOURCE_MISMATCH", "states:DescribeExecution"): "no machine of ours is an express one",
    ("RESOURCE_MISMATCH", "ec2:CreateReplaceRootVolumeTask"): "the instance stands in a statement of its own, as above",
    ("UNKNOWN_ACTION", "Unknown action cloudwatch:DescribeAlarmContributors"): "it is newer than the linter's list",
    ("RESOURCE_STAR", "cloudwatch:DescribeAlarms"): "composite alarms show only to whoever may see all",
    ("RESOURCE_STAR", "cloudwatch:DescribeAlarmHistory"): "as DescribeAlarms",
}
"""Finding and action -> why it is left as it is."""


def write(folder: Path) -> int:
    """Write the documents anew."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for role, found in documents(TEMPLATE).items():
        for number, document in enumerate(found):
            text = json.dumps(document, indent=1)
            for name, value in GIVEN.items():
                text = text.replace(name, value)
            (folder / f"{role}-{number}.json").write_text(text, encoding="utf-8")
    return 0


def judge(findings: Iterable[str]) -> int:
    """Say what was found; 1 where something has no reason to stay."""
    bad, used = [], set[tuple[str, str]]()
    for finding in map(json.loads, findings):
        where = Path(finding["location"].get("filepath", "")).stem
        for action in _actions(finding["detail"]):
            key = (finding["issue"], action)
            used.add(key)
            bad += [] if key in LEFT else [f"{where}: {finding['issue']}: {finding['title']}: {action}"]
    bad += [f"no longer found, so no longer left alone: {' '.join(key)}" for key in LEFT.keys() - used]
    print(*sorted(bad), f"{len(bad)} findings, {len(used & LEFT.keys())} left alone with a reason", sep="\n")
    return 1 if bad else 0


def _actions(detail: Any) -> Iterator[str]:
    """Whom a finding is about; one that says it otherwise stands for itself."""
    for item in detail if isinstance(detail, list) else [detail]:
        yield str(item.get("action", item)) if isinstance(item, dict) else str(item)


if __name__ == "__main__":
    sys.exit(judge(sys.stdin) if sys.argv[1] == "-" else write(Path(sys.argv[1])))
