from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from instances import ct_dataset
from pydicom import dcmread
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt

BENCH = Path(__file__).parents[2] / "bench"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ASSOCIATIONS, EACH = 2, 7


@pytest.fixture(scope="module", autouse=True)
def on_path():
    """The benchmarks' folder is no package."""
    sys.path.insert(0, str(BENCH))
    yield
    sys.path.remove(str(BENCH))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small instance, and two that need more than one PDU."""
    made = tmp_path_factory.mktemp("series")
    for number, side in enumerate((4, 90, 301)):
        dataset = ct_dataset(number)
        dataset.Rows = dataset.Columns = side
        pixels = np.random.default_rng(number).integers(0, 4096, (side, side), "<u2")
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(made / f"{number}.dcm", enforce_file_format=True)
    return made


class Receiver:
    """Pynetdicom, which keeps what it got and answers with a status."""

    def __init__(self, longest_pdu: int, statuses=lambda _number: 0) -> None:
        self.got = []
        self._statuses = statuses
        entity = AE()
        entity.maximum_pdu_size = longest_pdu
        entity.add_supported_context(CT_IMAGE, ALL_TRANSFER_SYNTAXES)
        handlers = [(evt.EVT_C_STORE, self._stored)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.server_address[1]

    def _stored(self, event) -> int:
        self.got.append((event.request.AffectedSOPInstanceUID, event.encoded_dataset()))
        return self._statuses(len(self.got))


def sent(receiver, folder):
    """Run the load generator as the benchmark does."""
    command = ["-m", "ingesting.load", str(receiver.port), str(folder), str(ASSOCIATIONS), str(EACH), "seed"]
    done = subprocess.run(
        [sys.executable, *command], cwd=BENCH, capture_output=True, text=True, timeout=60, check=False
    )
    receiver.server.shutdown()
    return done


@pytest.mark.parametrize("longest_pdu", [0, 16_382, 4_096])
def test_what_is_sent_arrives(folder, longest_pdu):
    """Every association's instances arrive whole, however they are cut, under UIDs of their own."""
    from ingesting import kept, load

    receiver = Receiver(longest_pdu)
    done = sent(receiver, folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    got = {uid: dcmread(BytesIO(encoded)) for uid, encoded in receiver.got}
    expected = dict(kept.data_sets(folder, ASSOCIATIONS, EACH, "seed"))
    count = ASSOCIATIONS * (EACH + load.WARMING)
    assert len(receiver.got) == len(got) == count
    assert got.keys() == expected.keys() == {uid for one in told for uid in one["acknowledged"]}
    assert all(encoded.endswith(expected[uid]) for uid, encoded in receiver.got)
    assert all(uid == dataset.SOPInstanceUID for uid, dataset in got.items())
    whole, rest = divmod(EACH + load.WARMING, 3)
    assert len({one.SeriesInstanceUID for one in got.values()}) == ASSOCIATIONS * (whole + bool(rest))
    pixels = {dcmread(path).PixelData for path in folder.glob("*.dcm")}
    assert {one.PixelData for one in got.values()} == pixels
    assert [len(one["latencies_s"]) for one in told] == [EACH] * ASSOCIATIONS
    assert all(0 < one["ended_s"] - one["begun_s"] < 60 for one in told)


def test_a_refused_instance_ends_the_load(folder):
    """A receiver that does not take everything gives no rate."""
    done = sent(Receiver(16_382, lambda number: 0xA700 if number == 5 else 0), folder)
    assert done.returncode != 0
    assert "refused with 0xa700" in done.stderr


def sent_between(begun_s, *ended_s):
    """One association, whose instances were acknowledged at these moments."""
    from ingesting.load import Sent

    latencies_s = np.diff([begun_s, *ended_s]).tolist()
    return Sent(
        begun_s=begun_s,
        ended_s=ended_s[-1],
        cpu_s=0.002,
        latencies_s=latencies_s,
        acknowledged=["warming", *map(str, ended_s)],
    )


def test_figures_of_a_run():
    """The rate is that of all associations together, from the first request to the last response."""
    from ingesting import runs

    sent = [sent_between(10.0, 10.1, 10.3), sent_between(10.1, 10.5), sent_between(10.0, 10.1)]
    made = runs.summary(sent, receiver_cpu_s=0.07, peak_mb=40.0, lag_s=0.2, has_torch=False)
    assert made.rate_per_s == pytest.approx(4 / 0.5)
    assert made.cpu_ms == pytest.approx(70 / 7)
    assert made.sender_ms == pytest.approx(6 / 4)
    assert made.latencies_ms == pytest.approx((150.0, 400.0))
    assert made.slowest_to_median == pytest.approx(0.4 / 0.3)


def measured(rate_per_s, **others):
    """A run of which only some figures matter."""
    from ingesting.runs import Measured

    return Measured(rate_per_s=rate_per_s, **{"cpu_ms": 1.0, "peak_mb": 50.0, **others})


def test_a_ratio_is_one_of_rates_of_the_same_round():
    """A machine that slows down for a round slows both; the median is taken of the ratios."""
    from ingesting.contests import CONTESTS, ratio_row

    contest = CONTESTS["dcmtk"][0]
    rates = [(80, 100), (40, 50), (90, 300)]
    rounds = [{contest.ours: measured(a), contest.theirs: measured(b)} for a, b in rates]
    row = ratio_row(contest, rounds)
    assert (row.value, row.low, row.high, row.n) == pytest.approx((0.8, 0.3, 0.8, 3))
    assert row.met
    assert row.note == "80 against 100 instances a second"


def test_what_cannot_be_run_here_is_said():
    """A receiver that is not installed leaves rows that say so, and those of the others."""
    from ingesting.contests import PARTS, rows_of, runs_of

    rounds = [{run: measured(100.0) for run in runs_of(PARTS) if run.receiver != "Orthanc"}]
    rows = {row.name: row for row in rows_of(PARTS, rounds, {"Orthanc": "Orthanc is not installed"})}
    assert rows["against Orthanc, 4 associations"].met is None
    assert rows["against Orthanc, 4 associations"].note == "not measured: Orthanc is not installed"
    assert rows["against pynetdicom storescp, 1 association"].value == 1.0
    assert not any(name.startswith("Orthanc:") for name in rows)


def test_each_receiver_is_measured_once_a_round():
    """One run of ours stands in every contest with as many associations."""
    from ingesting.contests import CONTESTS, PARTS, runs_of

    runs = runs_of(PARTS)
    assert len(set(runs)) == len(runs)
    ours = [one.ours for part in ("dcmtk", "pynetdicom", "orthanc") for one in CONTESTS[part]]
    assert len(set(ours)) == 3 < len(ours)
    assert runs_of(["many"]) == [run for run in runs if run.associations == 64]


def test_64_associations_are_judged_by_the_worst_round():
    """The most memory of any round counts, and PyTorch may be in none."""
    from ingesting.contests import many_rows

    runs = [
        measured(1.0, peak_mb=peak_mb, slowest_to_median=slowest, has_torch=torch)
        for peak_mb, slowest, torch in [(100.0, 1.5, False), (160.0, 2.0, True), (110.0, 4.0, False)]
    ]
    memory, torch, slowest = many_rows(runs)
    assert (memory.value, memory.high, memory.met) == (110.0, 160.0, False)
    assert torch.met is False
    assert (slowest.value, slowest.met) == (2.0, True)


def test_what_was_acknowledged_must_be_there():
    """Fewer than were acknowledged is no result."""
    from ingesting import kept

    kept.check(["a", "b"], {"a", "b", "c"})
    with pytest.raises(kept.LostError, match="1 of 2"):
        kept.check(["a", "b"], {"a"})


def test_what_is_there_must_be_what_was_sent():
    """A file that ends otherwise than the data set that was sent is no result."""
    from ingesting import kept

    spool = {"one": b"header" + b"data set 1", "two": b"header" + b"data set"}
    paths = {"1.1": "one", "1.2": "two"}
    kept.check_bytes(paths, spool.__getitem__, [("1.1", b"data set 1")])
    with pytest.raises(kept.LostError, match="other bytes"):
        kept.check_bytes(paths, spool.__getitem__, [("1.1", b"data set 1"), ("1.2", b"data set 2")])
