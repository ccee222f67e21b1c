"""The `gpuops` command.

With --json the last line of standard output is one JSON object, whatever happened; everything else goes to standard
error. Exit codes: 0 = what was asked for holds, 1 = it does not, 2 = it could not be tried.
"""

import typer

from cli import (
    amis,
    bench,
    breaker,
    dcgm,
    doctor,
    events,
    gpu,
    instances,
    plan,
    plugin_config,
    policy,
    rbac,
    redrive,
    rehearse,
    remediate,
    run,
    smoke,
    steer,
    sweep,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Keeps the GPU node groups of Amazon EKS clusters current, healthy and well shared.",
)
app.command("amis")(amis.command)
app.command("doctor")(doctor.command)
app.command("rehearse")(rehearse.command)
app.command("sweep")(sweep.command)
app.command("instances")(instances.command)
app.command("run")(run.command)
app.command("remediate")(remediate.command)
app.command("redrive")(redrive.command)
app.command("smoke")(smoke.command)
app.command("approve")(steer.approve)
app.command("pause")(steer.pause)
app.command("resume")(steer.resume)
app.command("cancel")(steer.cancel)
app.command("stop")(steer.stop)
app.command("start")(steer.start)
app.command("bench", context_settings=bench.OPTIONS)(bench.command)
app.command("rbac")(rbac.command)
app.add_typer(plan.app, name="plan")
app.add_typer(policy.app, name="policy")
app.add_typer(plugin_config.app, name="plugin-config")
app.add_typer(breaker.app, name="breaker")
app.add_typer(gpu.app, name="gpu")
app.add_typer(dcgm.app, name="dcgm")
app.add_typer(events.app, name="events")


def main() -> None:
    """Entry point of `.venv/bin/gpuops`."""
    app()
