"""One running service, objects that mean it no good, and a neighbour who sends honestly all the time.

Nothing crashes, nothing hangs, no neighbour is lost: each object gets a status, each refusal is in the log in
plain words, and every series of which something was acknowledged ends in one stated outcome.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import ct
import imagecodecs
import line
import numpy as np
import pytest
from peers import ENDED, Millet, until
from pydicom.data import get_testdata_file

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
from fuzz_lines import Neighbour
from mutations import mutated

from millet.codec.ct import read_header
from millet.codec.elements import transfer_syntax
from millet.errors import UnfitSeries
from millet.phantom import dicom, presets

JPEG_LS = "1.2.840.10008.1.2.4.80"
PYDICOMS = sorted(Path(str(get_testdata_file("CT_small.dcm"))).parent.glob("*.dcm"))
"""What is installed with pydicom; read at run time, never copied."""
REFUSALS = (0x0122, 0xA700, 0xA900, 0xC000)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One service for all of this, which does not wait long for what is missing."""
    settings = {"settle_s": 0.3, "gap_wait_s": 1.0, "quiet_s": 1.0}
    running = Millet(folder=tmp_path_factory.mktemp("hostile") / "millet", settings=settings)
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def neighbour(service) -> Iterator[Neighbour]:
    """Sends beside every test; at its end all was acknowledged, and the service is the same process."""
    sending = Neighbour(service.dicom_port)
    sending.start()
    yield sending
    sending.stop()
    assert sending.failures == []
    assert service.process.poll() is None
    errors = [one for one in logged(service) if one.get("level") in {"ERROR", "CRITICAL"}]
    assert errors == []


def logged(service: Millet) -> list[dict[str, object]]:
    """All lines of its log."""
    return [json.loads(one) for one in service.log.read_text().splitlines() if one.startswith("{")]


def refusals(service: Millet) -> list[str]:
    """The words with which instances were refused."""
    return [str(one["why"]) for one in logged(service) if one.get("message") == "instance refused"]


def ended(service: Millet, series_uids: set[str]) -> dict[str, str]:
    """The state of each series, once all have ended."""

    def look() -> dict[str, str] | None:
        states = {one.series_uid: one.state for one in service.series() if one.series_uid in series_uids}
        return states if states.keys() == series_uids and set(states.values()) <= ENDED else None

    return until(f"{len(series_uids)} series end", look, 300, service.process)


def send(service: Millet, encoded: bytes) -> tuple[int, str]:
    """An object as a file, over an association of its own; its status and its series, if it has one."""
    try:
        header = read_header(encoded)
        named = header.sop_class_uid, header.sop_instance_uid, header.series_uid
    except UnfitSeries:
        named = line.CT, "1.2.3.4.5", ""
    syntax, start = transfer_syntax(encoded), 0
    if encoded[128:132] == b"DICM":
        start = 144 + int.from_bytes(encoded[140:144], "little")
    with line.Sender(service.dicom_port, ((named[0][:64], syntax[:64]),)) as sender:
        status = sender.store(named[1][:64], encoded[start:], sop_class=named[0][:64])
        sender.release()
    return status, named[2]


def test_pydicoms_own_files(service):
    """All kinds of odd objects that people have met: a status for each, and words for each refusal."""
    before = len(refusals(service))
    assert len(PYDICOMS) > 50
    taken: set[str] = set()
    statuses = {}
    for path in PYDICOMS:
        try:
            statuses[path.name], series_uid = send(service, path.read_bytes())
        except (line.Refused, EOFError):
            statuses[path.name] = -1  # its bytes name no SOP class: no association to be had
            continue
        if statuses[path.name] == 0:
            taken.add(series_uid)
    assert statuses["CT_small.dcm"] == 0
    assert set(statuses.values()) <= {0, -1, *REFUSALS}
    words = refusals(service)[before:]
    assert len(words) == sum(status > 0 for status in statuses.values())
    assert all(words)
    assert set(ended(service, taken).values()) == {"not-analysed"}


def test_truncated_and_mutated_objects(service):
    """Two hundred damaged slices, each of a series of its own: refused, or the series ends."""
    rng, taken = random.Random(17), set()
    for number in range(200):
        (one,) = ct.renamed([deepcopy(ct.series()[3])], f"mutated-{number}")
        known = [ct.encoded(one)]
        data = (
            known[0][: rng.randrange(200, len(known[0]))]
            if number % 3 == 0
            else mutated(rng, known[0], known)
        )
        try:
            status, series_uid = send(service, data)
        except (line.Refused, EOFError):
            continue
        assert status in {0, *REFUSALS}
        if status == 0 and series_uid.isascii() and series_uid:
            taken.add(series_uid)
    assert len(taken) > 50
    assert set(ended(service, taken).values()) == {"not-analysed"}


def test_decoders_that_are_killed_all_the_time(service):
    """Whoever kills decoders while compressed series arrive costs series, never the service or others."""
    made = presets.make("negative", seed=4, scale=0.3, scan=presets.Scan(pixel_mm=1.4, slice_mm=3.0))
    done = threading.Event()
    killer = threading.Thread(target=_kill_decoders, args=(service.process.pid, done))
    killer.start()
    uids = {_sent_compressed(service, made, f"killed-{number}") for number in range(2)}
    ended(service, uids)
    done.set()
    killer.join()
    unharmed = _sent_compressed(service, made, "unharmed")
    assert ended(service, {unharmed}) == {unharmed: "analysed"}


def _sent_compressed(service: Millet, made, name: str) -> str:
    datasets = ct.renamed(list(dicom.datasets(made)), name)
    with line.Sender(service.dicom_port, ((line.CT, JPEG_LS),)) as sender:
        for dataset in datasets:
            values = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
            code = bytes(imagecodecs.jpegls_encode(values))
            encoded = ct.encoded(ct.compressed(dataset, JPEG_LS, code))
            start = 144 + int.from_bytes(encoded[140:144], "little")
            assert sender.store(str(dataset.SOPInstanceUID), encoded[start:]) == 0
        sender.release()
    return str(datasets[0].SeriesInstanceUID)


def _kill_decoders(owner: int, done: threading.Event) -> None:
    killed = 0
    while not done.wait(0.2):
        for pid in _decoders(owner):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    assert killed


def _decoders(owner: int) -> list[int]:
    """Its processes that decode."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == owner and b"millet.edge.decoding.child" in command:
            found.append(int(folder.name))
    return found


@pytest.mark.real_data
def test_a_tilted_head(service, real_data):
    """A head CT with a tilted gantry, as a scanner wrote it: refused for its tilt."""
    files = [path for path in sorted((real_data / "robustness").rglob("*")) if path.is_file()]
    uids = set()
    for path in files:
        encoded = path.read_bytes()
        if encoded[128:132] != b"DICM":
            continue
        status, series_uid = send(service, encoded)
        assert status in {0, *REFUSALS}
        if status == 0:
            uids.add(series_uid)
    assert uids
    ended(service, uids)
    reasons = {one.reason_code for one in service.series() if one.series_uid in uids}
    assert "gantry-tilt" in reasons
