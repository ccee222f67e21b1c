"""`gpuops plugin-config`: what the device plugin makes of a configuration, before it is a ConfigMap's key.

Not its own leniency: what it would pass over in silence is refused too, because a node then shares other than its
file says.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli.output import answer, give_up, say
from gpuops.domain.plugin_config.check import Report, check_plugin_config

app = typer.Typer(no_args_is_help=True, help="Check configurations of the NVIDIA device plugin.")


@app.callback()
def _group() -> None:
    """Keep `check` a subcommand: a Typer app of one command would swallow its name."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The text of one key of the plugin's ConfigMap.")],
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Say what v0.20.0 shares with this file; exit 1 for what it refuses, ignores or drops, with line and reason."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        give_up(f"{file}: {error}", as_json=as_json)
    report = check_plugin_config(text)
    for problem in report.problems:
        say(f"{file}:{problem.line}: {problem.reason}")
    say(f"{file}: {_summary(report)}")
    if as_json:
        answer(report.model_dump(mode="json", include={"accepted_by_plugin", "effective", "problems"}))
    raise typer.Exit(1 if report.problems else 0)


def _summary(report: Report) -> str:
    if not report.accepted_by_plugin:
        return "the plugin refuses it, exits, and leaves the node without GPUs"
    if not report.effective:
        return "every GPU is exclusive"
    return f"{report.strategy}: {'; '.join(report.effective)}"
