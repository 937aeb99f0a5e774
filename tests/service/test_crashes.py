"""What was acknowledged is analysed and reported, however the process ends."""

from __future__ import annotations

from pathlib import Path

import pydicom
from peers import OBJECTS, Millet, file_names, storescu


def series_uid_of(folder: Path) -> str:
    """The series of a folder."""
    return str(pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID)


def reports(service: Millet) -> list[str]:
    """What the default destination holds."""
    return sorted(path.name for path in (service.folder / "state" / "reports").rglob("*.dcm"))


def assert_whole(service: Millet, small_case: Path) -> None:
    """One outcome, every instance, each object once."""
    status = service.ended(series_uid_of(small_case))
    assert status.state == "analysed"
    assert status.instances == len(list(small_case.glob("*.dcm")))
    assert status.nodules > 20
    assert reports(service) == file_names(OBJECTS)


def test_sigterm_while_analysing_leaves_the_work_to_the_next_start(millet, small_case):
    """A service told to stop with no time to finish exits cleanly; after a restart the report is there."""
    service = millet(drain_s=0.0)
    storescu(small_case, service.dicom_port)
    service.in_state("analysing")
    assert service.terminate() == 0
    assert reports(service) == []
    service.start()
    assert_whole(service, small_case)


def test_sigterm_lets_an_analysis_end_that_has_the_time(millet, small_case):
    """A service told to stop finishes what is in hand within its drain time, and delivers after restart."""
    service = millet(drain_s=120.0)
    storescu(small_case, service.dicom_port)
    service.in_state("analysing")
    assert service.terminate() == 0
    service.start()
    assert_whole(service, small_case)


def test_kill_between_acknowledgement_and_analysis_loses_nothing(millet, small_case):
    """SIGKILL after the last C-STORE response: the next start closes, analyses and reports the series."""
    service = millet(settle_s=600.0)
    storescu(small_case, service.dicom_port)
    service.kill()
    assert reports(service) == []
    (service.folder / "millet.toml").write_text(
        (service.folder / "millet.toml").read_text().replace("settle_s = 600.0", "settle_s = 0.2")
    )
    service.start()
    assert_whole(service, small_case)


def test_kill_while_analysing_loses_nothing(millet, small_case):
    """SIGKILL in the middle of an analysis: the next start takes the work up again."""
    service = millet()
    storescu(small_case, service.dicom_port)
    service.in_state("analysing")
    service.kill()
    service.start()
    assert_whole(service, small_case)
