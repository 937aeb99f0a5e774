from __future__ import annotations

import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from instances import ct_dataset
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

BENCH = Path(__file__).parents[2] / "bench"
HOURS = 4.0
EVERY_S = 30.0


@pytest.fixture(scope="module", autouse=True)
def on_path():
    """The benchmarks' folder is no package."""
    sys.path.insert(0, str(BENCH))
    yield
    sys.path.remove(str(BENCH))


def times(hours: float = HOURS) -> np.ndarray:
    """When samples are taken."""
    return np.arange(0, hours * 3600, EVERY_S)


def busy(at_s: np.ndarray) -> np.ndarray:
    """What series in hand take: in two samples of three, up to half a gigabyte."""
    drawn = np.random.default_rng(1)
    return np.where(
        np.arange(len(at_s)) % 3, drawn.uniform(100, 500, len(at_s)), drawn.uniform(0, 3, len(at_s))
    )


@pytest.mark.parametrize(
    ("mb_per_hour", "hours", "verdict"),
    [(0.0, 4.0, "flat"), (30.0, 4.0, "grows"), (-5.0, 4.0, "flat"), (0.0, 0.5, "undecided")],
)
def test_growth_is_told_from_the_series_in_hand(mb_per_hour: float, hours: float, verdict: str) -> None:
    """A leak is seen below swings many times its size; where there is none that takes time to tell."""
    from soaking import judging

    at_s = times(hours)
    held = 400 + mb_per_hour * at_s / 3600 + busy(at_s)
    found = judging.trend(list(zip(at_s, held, strict=True)))
    assert found is not None
    assert found.verdict(judging.allowed_mb_per_hour(found.level)) == verdict
    assert found.low <= found.per_hour <= found.high


def test_a_block_that_has_only_begun_does_not_count() -> None:
    """Its least is that of a moment: a series in hand then would look like growth."""
    from soaking import judging

    level = [(float(at_s), 400.0) for at_s in times(0.5)]
    assert judging.trend([*level, (1815.0, 900.0)]) == judging.trend(level)


def test_what_begins_anew_with_each_life_is_added_up() -> None:
    """Processor time of a process that was started again is that of both."""
    from soaking import judging

    samples = [{"life": life, "cpu_s": cpu_s} for life, cpu_s in ((1, 5), (1, 9), (2, 2), (2, 8))]
    assert judging.gained(samples, lambda one: one["cpu_s"]) == 10


def test_too_few_samples_tell_no_trend() -> None:
    """Less than five blocks of five minutes say nothing."""
    from soaking import judging

    assert judging.trend([(at_s, 1.0) for at_s in times(0.3)]) is None


def test_only_the_last_life_is_judged_and_not_its_warm_up() -> None:
    """After a restart processes begin anew, and their first quarter of an hour's growth is no leak."""
    from soaking import judging

    samples = [{"life": 1, "at_s": float(at_s)} for at_s in range(0, 1000, 10)]
    samples += [{"life": 2, "at_s": float(at_s)} for at_s in range(2000, 3000, 10)]
    kept = judging.last_life(samples)
    assert {one["life"] for one in kept} == {2}
    assert kept[0]["at_s"] == pytest.approx(2000 + 990 * 0.25, abs=10)


def tables(rows: int, bytes_a_row: float, bloat: int = 0) -> dict[str, dict[str, dict[str, int]]]:
    """A sample of a database."""
    gained = {"instance": {"rows": rows, "bytes": int(rows * bytes_a_row)}}
    return {"tables": {**gained, "counter": {"rows": 2, "bytes": 8192 + bloat}}}


def test_growth_of_the_database_is_told_by_its_rows() -> None:
    """Rows times the bytes a row took before tell the growth; what grows without rows they do not tell."""
    from soaking import judging

    even = judging.explained([tables(n, 2400.0) for n in (0, 500, 1000)])
    assert even.told_bytes == even.grown_bytes == 500 * 2400
    swollen = judging.explained([tables(n, 2400.0, bloat=n * 1000) for n in (0, 500, 1000)])
    assert swollen.told_bytes / swollen.grown_bytes == pytest.approx(2400 / 3400)


def told(**more: object) -> dict[str, dict[str, object]]:
    """One series of three instances, as it was acknowledged."""
    return {"1.2": {"series_uid": "1.2", "instances": 3, "last_s": 100.0, **more}}


@pytest.mark.parametrize(
    ("line", "report", "received", "what"),
    [
        (("1.2", "analysed", 1, 3, 1), ("1.2", 1, "sr", "9.1", "done"), ["9.1"], None),
        (("1.3", "analysed", 1, 3, 1), None, [], "not in the journal"),
        (("1.2", "analysed", 1, 2, 1), ("1.2", 1, "sr", "9.1", "done"), ["9.1"], "2 journalled"),
        (("1.2", "parked", 1, 3, 0), None, [], "left parked"),
        (("1.2", "analysed", 2, 3, 2), ("1.2", 2, "sr", "9.1", "done"), ["9.1"], "2 outcomes"),
        (("1.2", "analysed", 1, 3, 1), None, [], "no report"),
        (("1.2", "analysed", 2, 3, 1), ("1.2", 1, "sr", "9.1", "done"), ["9.1"], "no report of generation 2"),
        (("1.2", "analysed", 1, 3, 1), ("1.2", 1, "sr", "9.1", "dead"), [], "given up"),
        (("1.2", "analysed", 1, 3, 1), ("1.2", 1, "sr", "9.1", "done"), [], "is not there"),
    ],
)
def test_each_broken_promise_is_named(line, report, received, what) -> None:
    """What was acknowledged must end once and be reported; each way in which it is not is named."""
    from soaking.judging import Line, Report, broken

    found = broken(told(), [Line(*line)], [Report(*report)] if report else [], received)
    assert found == [] if what is None else what in found[0]


def test_a_series_that_waits_is_not_lost() -> None:
    """What has not ended yet breaks no promise, and is told by itself."""
    from soaking.judging import Line, Report, broken, waiting

    lines = [Line("1.2", "queued", 1, 3, 0)]
    assert broken(told(), lines, [], []) == []
    assert waiting(told(), lines, []) == {"1.2"}
    unsent, done = [Report("1.2", 1, "sr", "9.1", "pending")], [Line("1.2", "analysed", 1, 3, 1)]
    assert broken(told(), done, unsent, []) == []
    assert waiting(told(), done, unsent) == {"1.2"}


def test_two_objects_of_one_kind_are_noticed() -> None:
    """A report that was made twice under two UIDs is one too many."""
    from soaking.judging import Line, Report, broken

    twice = [Report("1.2", 1, "sr", uid, "done") for uid in ("9.1", "9.2")]
    assert broken(told(), [Line("1.2", "analysed", 1, 3, 1)], twice, ["9.1", "9.2"]) == [
        "sr of 1.2: 2 objects"
    ]


def test_the_time_to_the_report_is_that_of_the_newest_generation() -> None:
    """A series with late slices is reported twice; only the report that holds them counts."""
    from soaking.judging import Line, Report, turnarounds

    reports = [Report("1.2", n, "sr", f"9.{n}", "done") for n in (1, 2)]
    lines = [Line("1.2", "analysed", 2, 3, 1)]
    assert turnarounds(told(), lines, reports, {"9.1": 50.0, "9.2": 104.5}) == [4.5]


def test_a_study_is_a_function_of_its_number() -> None:
    """A soak that was cut off goes on with the same studies, and no two series share a UID."""
    from soaking import plan

    first, again = ([plan.study(7, n, plan.Size()) for n in range(24)] for _ in range(2))
    assert first == again
    assert {one.oddity for one in first} == set(plan.ODDITIES)
    uids = [series.uid for study in first for series in study.series]
    assert len(set(uids)) == len(uids) == 72


def test_a_patient_who_returns_has_another_study() -> None:
    """The patient of five studies ago, with an accession of its own and a day that is not earlier."""
    from soaking import plan

    number = plan.ODDITIES.index(plan.RETURNS) + len(plan.ODDITIES)
    now, before = (plan.study(7, one, plan.Size()) for one in (number, number - plan.BEFORE))
    assert now.patient == before.patient
    assert (now.uid, now.accession) != (before.uid, before.accession)
    assert now.day >= before.day


def test_studies_come_at_the_rate_that_was_asked_for() -> None:
    """The mean of the times between studies is that of the rate, but for the longest, which are cut."""
    from soaking import plan

    gaps = [plan.gap_s(7, number, 36.0) for number in range(2000)]
    assert np.mean(gaps) == pytest.approx(100.0, rel=0.1)
    assert max(gaps) <= 300.0


def encoded(number: int) -> bytes:
    """The data set of a small CT instance with all that is put in its place."""
    dataset = ct_dataset(number)
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20200101"
    dataset.AccessionNumber, dataset.ImageType = "A", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.FrameOfReferenceUID = "1.2.3.4"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(file := BytesIO(), enforce_file_format=True)
    return file.getvalue()


def test_a_slice_is_named_as_the_study_has_it() -> None:
    """Patient, study, series and instance are the plan's; the pixels and all else are the phantom's."""
    from dimse import messages
    from soaking import modality, plan

    file = encoded(1)
    one = messages.Instance.of_file(file)
    study = plan.study(7, 3, plan.Size())
    scout = study.series[0]
    changed = modality.named(one.head, study, scout, 1) + one.rest
    read = dcmread(BytesIO(file[: file.index(one.head)] + changed))
    before = dcmread(BytesIO(file))
    assert (read.PatientID, read.AccessionNumber) == (study.patient, study.accession)
    assert (read.StudyInstanceUID, read.SeriesInstanceUID) == (study.uid, scout.uid)
    assert read.SOPInstanceUID == scout.sop_instance_uid(1)
    assert read.ImageType[2] == "LOCALIZER"
    assert read.PixelData == before.PixelData
    assert read.ImagePositionPatient == before.ImagePositionPatient


def test_what_was_cut_off_is_sent_again(tmp_path) -> None:
    """A study that was begun and not ended comes again, and half a line is no line."""
    from soaking.lines import Lines
    from soaking.modality import unfinished

    path = tmp_path / "sent.jsonl"
    lines = Lines(path)
    for event, number in (("begun", 0), ("begun", 1), ("ended", 0)):
        lines.add({"event": event, "study": number})
    with path.open("a") as file:
        file.write('{"event": "ended", "stu')
    assert unfinished(lines) == ([1], 2)
    assert unfinished(Lines(tmp_path / "none")) == ([], 0)


def test_a_process_is_measured_with_its_children() -> None:
    """Memory, handles and processes are those of the whole tree."""
    from soaking import sampling

    program = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        found = sampling.process(parent.pid)
        os.killpg(parent.pid, signal.SIGKILL)
    assert found["processes"] == 2
    assert found["private_mb"] > 4
    assert found["handles"] >= 6


def test_tables_of_sqlite_are_counted(tmp_path) -> None:
    """Rows and bytes of each table, its indexes included."""
    from soaking import sampling

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}", poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE one (name TEXT PRIMARY KEY)"))
        for number in range(100):
            connection.execute(sa.text("INSERT INTO one VALUES (:name)"), {"name": f"{number:0200d}"})
    found = sampling.tables(engine)
    assert found["one"]["rows"] == 100
    assert found["one"]["bytes"] > 2 * 100 * 200


def test_gauges_are_read_from_what_prometheus_is_told() -> None:
    """The greatest of all labels and processes; what is not a number tells nothing."""
    from soaking import sampling

    pages = {
        "a": 'millet_jobs_oldest_wait_seconds{priority="routine"} 3.5\nmillet_canary_sensitivity_ratio NaN\n',
        "b": 'millet_jobs_oldest_wait_seconds{priority="routine"} 4.5\nmillet_other 9.0\n',
    }
    assert sampling.gauges(pages) == {"millet_jobs_oldest_wait_seconds": 4.5}


def test_children_that_end_meanwhile_count_nothing() -> None:
    """A process whose children come and go all the time can be measured at any moment."""
    from soaking import sampling

    program = "import subprocess; print(1, flush=True)\nwhile True: subprocess.run(['true'])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        found = [sampling.process(parent.pid) for _ in range(300)]
        parent.kill()
    assert {one["processes"] for one in found} <= {1, 2}
    with pytest.raises(OSError, match=str(parent.pid)):
        sampling.process(parent.pid)
