"""The whole road: last slice acknowledged to SR in Orthanc, for a 400-slice series, and peak memory."""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from table import Row, write

sys.path.extend([str(Path(__file__).resolve().parents[1] / "tests" / part) for part in ("", "service")])
from peers import Millet, Orthanc, storescu, until

from millet.phantom import dicom, presets
from millet.phantom.acquisition import Scan
from millet.settings import Settings

REPETITIONS = 3
SLICES = 400
ANSWER_WITHIN_S = 900


def main() -> None:
    """Measure with an unmodified storescu and default waits, a new service and another patient each time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        orthanc = Orthanc(folder / "pacs")
        runs = [_run(folder / str(seed), orthanc, seed) for seed in range(REPETITIONS)]
        orthanc.stop()
    names = (("sending the series", "s"), ("last slice to SR in Orthanc", "s"), ("peak memory", "MB"))
    rows = [
        Row(
            name=f"{what}, {SLICES} slices",
            unit=unit,
            value=statistics.median(values),
            low=min(values),
            high=max(values),
            n=len(values),
        )
        for (what, unit), values in zip(names, zip(*runs, strict=True), strict=True)
    ]
    write("road", rows)


def _run(folder: Path, orthanc: Orthanc, seed: int) -> tuple[float, float, float]:
    series = folder / "series"
    phantom = presets.make("case", seed=seed, scan=Scan(slice_mm=0.75))
    dicom.write(phantom, series)
    for path in sorted(series.glob("*.dcm"))[SLICES:]:
        path.unlink()
    settings = {"destination": f"ORTHANC@127.0.0.1:{orthanc.dicom_port}", "settle_s": Settings().settle_s}
    service = Millet(folder / "millet", settings)
    before = len(orthanc.instances("SR"))
    started = time.perf_counter()
    storescu(series, service.dicom_port)
    sent = time.perf_counter()
    until(
        "an SR in Orthanc",
        lambda: len(orthanc.instances("SR")) > before or None,
        ANSWER_WITHIN_S,
        service.process,
    )
    ended = time.perf_counter()
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    peak_kb = int(re.findall(r"VmHWM:\s+(\d+)", status)[0])
    service.terminate()
    return sent - started, ended - sent, peak_kb / 1000


if __name__ == "__main__":
    main()
