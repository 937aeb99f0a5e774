"""Programs of others at a service that runs: those that the documents show, a browser, and another Millet."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from browsers import chromium
from buf_curl import CALLS, Call, need_buf
from peers import Millet, free_port, need
from pydicom import dcmread

from millet_client import Client, TriageLevel

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
REFERENCE = ROOT / "docs" / "reference"
COMMANDS = [one for one in CALLS if one.service != "SubmissionService"]
"""Those of series that come in: test_submitting.py, test_pulls.py."""


@pytest.fixture(scope="module")
def service(tmp_path_factory, small_case):
    """A service that lends its detectors, and one analysed series, which the example submitted."""
    folder = tmp_path_factory.mktemp("programs")
    made = Millet(folder / "millet", {"model_precision": "int8", "kserve_port": free_port()})
    command = [EXAMPLES / "submit.py", f"127.0.0.1:{made.grpc_port}", small_case]
    made.printed = subprocess.run(
        [sys.executable, *map(str, command)], check=True, capture_output=True, text=True, timeout=600
    ).stdout
    first = dcmread(next(iter(sorted(small_case.glob("*.dcm")))), stop_before_pixels=True)
    made.line = made.ended(str(first.SeriesInstanceUID))
    assert made.line.nodules
    yield made
    made.kill()


@pytest.fixture
def client(service):
    """A client of it."""
    with Client(f"127.0.0.1:{service.grpc_port}", tls=None) as made:
        yield made


def ours(service, command: Call) -> list[str]:
    """A command of the documents, for this service and its series."""
    line = service.line
    here = {
        "127.0.0.1:50051": f"127.0.0.1:{service.grpc_port}",
        "127.0.0.1:8080": f"127.0.0.1:{service.web_port}",
        '"1.2.826.0.1.1"': f'"{line.series_uid}"',
        '"1.2.826.0.1"': f'"{line.study_uid}"',
        '"PID-000001"': f'"{line.patient_id}"',
        '"HOSP"': f'"{line.issuer}"',
        "TRIAGE_LEVEL_NOTABLE": TriageLevel.Name(line.triage),
    }
    words = shlex.split(command.typed({shown: one for shown, one in here.items() if shown in command.text}))
    return [*words, "--silent", "--fail-with-body"] if words[0] == "curl" else words


@pytest.mark.buf
def test_every_command_of_the_documents_is_answered(service):
    """`buf curl` through reflection over gRPC, by Connect and by gRPC-Web, and `curl`, in their order."""
    need("curl")
    need_buf()
    assert len(COMMANDS) >= 15
    for call in COMMANDS:
        told = first_answer(ours(service, call), endless=call.method.startswith("Watch"))
        if call.method in {"WatchAnalyses", "WatchSeries"}:
            assert told["series"]["seriesUid"] == service.line.series_uid
        if call.method == "GetAnalysis":
            assert told["totalNodules"] == service.line.nodules


def test_the_sender_prints_what_is_found_in_a_folder(service, small_case):
    """And which file is no DICOM. The example is the one that the documents show."""
    example = (EXAMPLES / "submit.py").read_text("utf-8")
    assert example in (ROOT / "docs/how-to/client.md").read_text("utf-8")
    refused, found = service.printed.splitlines()
    assert "truth.csv NOT_DICOM " in refused
    level = TriageLevel.Name(service.line.triage)
    assert found == f"{service.line.accession} analysed {level} {service.line.nodules}"
    assert service.line.instances == len(list(small_case.glob("*.dcm")))


def first_answer(command: list[str], *, endless: bool) -> dict:
    """The first message that a command prints; a watch is ended after it."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        printed, told = "", None
        while told is None and (row := running.stdout.readline()):
            printed += row
            with suppress(json.JSONDecodeError):
                told = json.JSONDecoder().raw_decode(printed)[0]
        if endless:
            os.killpg(running.pid, signal.SIGTERM)  # npm's buf is a script before the program
        failed = running.communicate(timeout=60)[1]
    assert endless or running.returncode == 0, (command, failed)
    assert told is not None, (command, printed, failed)
    return told


def test_the_viewer_prints_what_the_service_found(service, client):
    """Line and nodules, in the order of the analysis."""
    found = client.analysis(service.line)
    command = [sys.executable, str(ROOT / "docs/examples/viewer.py"), f"127.0.0.1:{service.grpc_port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
        head = viewer.stdout.readline()
        rows = [viewer.stdout.readline().split() for _ in found.nodules]
        viewer.terminate()
    assert head.split()[-3:] == ["analysed", TriageLevel.Name(service.line.triage), str(len(found.nodules))]
    assert [row[0] for row in rows] == [f"{one.centre_mm.x:.1f}" for one in found.nodules]


def test_a_page_of_the_service_itself_calls_and_streams(service):
    """In a real browser, with the functions that the documents show, under the policy of our own pages."""
    shown = re.search(r"```js\n(.*?)```", (REFERENCE / "browsers.md").read_text("utf-8"), re.DOTALL)[1]
    code = shown.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{service.web_port}")
    series = json.dumps({"site": service.line.site, "seriesUid": service.line.series_uid})
    ask = f"""async () => {{ {code}
        const one = await call("GetAnalysis", {series});
        let streamed = 0;
        for await (const part of stream("StreamAnalysis", {series})) streamed += (part.nodules ?? []).length;
        return [one.totalNodules, streamed];
    }}"""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{service.web_port}/")
        assert page.evaluate(ask) == [service.line.nodules] * 2


def test_another_millet_finds_the_same_with_the_detectors_of_this_one(service, client, small_case, tmp_path):
    """Every nodule in its place; the analysis names the machine that looked."""
    where = f"127.0.0.1:{service._settings['kserve_port']}"
    config = tmp_path / "millet.toml"
    config.write_text(f'remote = "{where}"\nremote_tls = false\nmodel_precision = "int8"\n')
    command = [sys.executable, "-m", "millet", "analyse", str(small_case), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [*command, "--config", str(config)],
        check=False,
        capture_output=True,
        text=True,
        env=dict(service.variables),
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "nodules.csv").open(encoding="utf-8") as file:
        borrowed = sorted(tuple(float(row[f"{axis}_mm"]) for axis in "xyz") for row in csv.DictReader(file))
    own = sorted(
        (one.centre_mm.x, one.centre_mm.y, one.centre_mm.z) for one in client.analysis(service.line).nodules
    )
    assert len(borrowed) == len(own)
    assert borrowed == [pytest.approx(place, abs=0.01) for place in own]
    assert f"KServe v2 at {where}" in (tmp_path / "out" / "analysis.json").read_text("utf-8")
