"""A real Prometheus on loopback, for tests: the machine's own, or Debian's package, unpacked beside other caches.

It is nothing that gpuops needs, so where neither is to be had a test says so and is skipped.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import urllib3

from rehearsal.control_plane.binaries import cache_directory
from tests.fakes.serving import serving

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
{jobs}"""
JOB = """\
  - job_name: {name}
    honor_labels: {honor}
    static_configs: [{{targets: ["{address}"], labels: {{{labels}}}}}]
"""
PATIENCE_SECONDS, STEP_SECONDS = 40, 0.2
DOWNLOAD_SECONDS = 120


def find_prometheus() -> Path:
    """Return the program; skips the test where there is none."""
    if found := shutil.which("prometheus"):
        return Path(found)
    place = cache_directory() / "prometheus"
    program = place / "usr/bin/prometheus"
    if not program.exists():
        _unpack(place)
    if not program.exists():
        pytest.skip("no prometheus in PATH, and no package of Debian's to be had")
    return program


def _unpack(place: Path) -> None:
    """Debian's package, without installing it."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return
    draft = place.with_suffix(".draft")
    draft.mkdir(parents=True, exist_ok=True)
    try:
        _quietly(["apt-get", "download", "prometheus"], draft)
        (package,) = draft.glob("prometheus_*.deb")
        _quietly(["dpkg-deb", "-x", package.name, str(place)], draft)
    except (subprocess.SubprocessError, ValueError) as error:
        pytest.skip(f"no prometheus in PATH, and Debian's package was not to be had: {error}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _quietly(argv: list[str], where: Path) -> None:
    subprocess.run(argv, cwd=where, check=True, capture_output=True, timeout=DOWNLOAD_SECONDS)


class Exporter:
    """A page that is scraped; None answers like an exporter that is broken."""

    def __init__(self, page: str) -> None:
        self.page: str | None = page

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the class that serves it."""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if exporter.page is not None else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write((exporter.page or "").encode())

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        return Handler


@contextmanager
def exporting(exporter: Exporter) -> Iterator[str]:
    """Yield its address."""
    with serving(exporter.handler()) as url:
        yield url.removeprefix("http://")


@contextmanager
def prometheus(folder: Path, jobs: Mapping[str, tuple[str, bool, str]], port: int) -> Iterator[str]:
    """Yield the URL of a server that scrapes each job's address every second: address, honor_labels, more labels.

    It is ended by its own process, whatever happens.
    """
    program = find_prometheus()
    told = [
        JOB.format(name=name, address=address, honor=str(honor).lower(), labels=labels)
        for name, (address, honor, labels) in jobs.items()
    ]
    (folder / "prometheus.yml").write_text(CONFIG.format(jobs="".join(told)))
    argv = [str(program), f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*argv, f"--config.file={folder / 'prometheus.yml'}"], stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/-/ready", process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    http = urllib3.PoolManager(retries=False, timeout=2)
    for _ in range(int(PATIENCE_SECONDS / STEP_SECONDS)):
        if process.poll() is not None:
            break
        try:
            if http.request("GET", url).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(STEP_SECONDS)
    raise AssertionError(f"Prometheus did not start: {log.read_text()[-1000:]}")
