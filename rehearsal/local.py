"""Keeps a scenario's region and cluster up for whoever knocks from outside: `sam`, `gpuops`, `kubectl`.

The story does not run by itself here: all its releases are published, its machines and workloads stand, and the
person deploys and starts what they like. Time passes at a pace, so that schedules tick while somebody looks.
"""

import argparse
import json
import shutil
import signal
import sys
import threading
from pathlib import Path

from rehearsal.control_plane import find_or_build
from rehearsal.control_plane.components import kubeconfig
from rehearsal.deploy import BUCKET
from rehearsal.scenario import Scenario, ScenarioError, load
from rehearsal.stage.director import Director
from rehearsal.stage.perform import perform
from rehearsal.stage.records import Records
from rehearsal.world import World

PORT = 4599
PACE = 300.0
"""Simulated seconds in a second: an hour in twelve."""

GUIDE = """
The region and the cluster of scenario {name} are up until Ctrl-C. In another terminal:

  export AWS_ENDPOINT_URL={url} AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=outside AWS_SECRET_ACCESS_KEY=outside SAM_CLI_TELEMETRY=0
  TARGET=host PYTHON=$PWD/.venv/bin/python .venv/bin/sam build
  .venv/bin/sam deploy --config-env local
  .venv/bin/gpuops policy push fleet.yaml --stack gpuops
  .venv/bin/sam remote invoke RotateAmi --stack-name gpuops --event-file events/rotate_ami.json

Logs of the functions: {out}/logs; every call: {out}/wire.jsonl; kubectl: --kubeconfig {out}/kubeconfig
"""


class LocalDirector(Director):
    """Sets the stage and leaves the deployment to the person."""

    def deploy(self) -> None:
        """Publish what the story would publish later; a bucket for `sam deploy` is there."""
        for release in self.scenario.releases:
            if release.at > 0:
                self._world.fleet.images.publish(release)
        self._world.region.account.client("s3").create_bucket(Bucket=BUCKET)


def serve(scenario: Scenario, out: Path, *, port: int, pace: float, ended: threading.Event) -> None:
    """Bring the world up, say how to reach it, and keep it until `ended`."""
    records = Records()
    with World(scenario, find_or_build(), out, pace=pace, port=port, listener=records.listen) as world:
        perform(world.clock, LocalDirector(world, records, say).set_stage)
        if ended.is_set():
            return
        config = kubeconfig(world.plane.server, ca=world.plane.ca_file, token=world.plane.admin_token)
        (out / "kubeconfig").write_text(json.dumps(config), encoding="utf-8")
        say(GUIDE.format(name=scenario.name, url=world.region.url, out=out))
        ended.wait()


def say(text: str) -> None:
    """At once, also into a pipe."""
    print(text, flush=True)


def main() -> int:
    """`python -m rehearsal.local [SCENARIO]`."""
    parser = argparse.ArgumentParser(prog="make local", description=__doc__)
    parser.add_argument("scenario", nargs="?", default="roll", help="by name or by path")
    parser.add_argument("--port", type=int, default=PORT, help="of the region")
    parser.add_argument("--pace", type=float, default=PACE, help="simulated seconds in a second")
    parser.add_argument("--out", type=Path, default=Path("out/local"), help="for logs and the kubeconfig")
    given = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        scenario = load(given.scenario)
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 2
    shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True)
    serve(scenario, given.out.absolute(), port=given.port, pace=given.pace, ended=ended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
