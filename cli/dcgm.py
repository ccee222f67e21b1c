"""`gpuops dcgm`: what gpuops reads out of an exporter's text, before anybody decides by it."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output import answer, give_up, say
from gpuops.domain.dcgm.parse import read_samples
from gpuops.domain.dcgm.sample import GpuSample
from gpuops.domain.errors import Unavailable

app = typer.Typer(no_args_is_help=True, help="Read the text of dcgm-exporter.")


@app.callback()
def _group() -> None:
    """Keep `parse` a subcommand: a Typer app of one command would swallow its name."""


@app.command()
def parse(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What an exporter's /metrics answered.")],
    node: Annotated[str, typer.Option(help="The node it came from; else the exporter's own host name stands.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on standard output.")] = False,
) -> None:
    """Show one sample for each GPU; exit 2 when the file is no exposition, 1 when a sample contradicts itself."""
    try:
        samples = list(read_samples(file.read_text(encoding="utf-8"), node).values())
    except (OSError, UnicodeDecodeError, Unavailable) as error:
        give_up(f"{file}: {error}", as_json=as_json)
    for sample in samples:
        say(_line(sample))
    say(f"{file}: {len(samples)} GPUs")
    if as_json:
        answer({"samples": [sample.model_dump(mode="json") for sample in samples]})
    raise typer.Exit(1 if any(sample.problems for sample in samples) else 0)


def _line(sample: GpuSample) -> str:
    """One GPU for a person."""
    busy = "unknown" if sample.busy_ratio is None else f"{sample.busy_ratio:.0%} ({sample.busy_source})"
    memory = f"{_told(sample.memory_used_mib)} of {_told(sample.memory_total_mib)} MiB"
    what = [f"busy {busy}", f"memory {memory}", f"{len(sample.pods)} pods"]
    what += [f"MIG {', '.join(sample.mig)}"] if sample.mig else []
    what += [f"Xid {', '.join(map(str, sample.xids))}"] if sample.xids else []
    what += [f"CONTRADICTION: {'; '.join(sample.problems)}"] if sample.problems else []
    return f"{sample.node or 'unknown node'} {sample.uuid} {sample.product}: {', '.join(what)}"


def _told(mib: int | None) -> str:
    return "unknown" if mib is None else str(mib)
