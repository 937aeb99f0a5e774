"""Structured reports: what writing and reading one costs, and what other people's programs say of them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

from table import Row

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import highdicom
from characters import ADVICE, JUDGEMENT, characterised, spread, whole
from highdicom.sr import (
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
    srread,
)
from highdicoms import told, volumetric
from pydicom import dcmread
from pydicom.sr.codedict import codes as known
from pydicom.sr.coding import Code
from reports import FRAME, GRID, REFUSED, analysis, as_file, ct_series, ct_slice
from validators import NOT_IN_TEMPLATE, PIXELMED, pixelmed

from millet.codec import chest_cad, codes, sr, sr_reading, summary_sr
from millet.codec.source import Source
from millet.core.analysis import Analysis

MANY, AGAINST = 2000, 250
COUNTS = (1, 18, 220, MANY)
BY_PIXELMED = ("none", "refused", "1", "18")
"""With 220, its stylesheets outgrow Java's ordinary heap; the same templates hold, group by group."""
PART = 20
TIMES = 5


def rows() -> list[Row]:
    """Cost of 2,000 nodules, the race with highdicom, and the validators."""
    source = Source.read(ct_series())
    return [*_costs(source), *_race(source), *_judged(source)]


def _costs(source: Source) -> Iterator[Row]:
    made = analysis(characterised(MANY))
    encoded = sr.encode(made, source)
    write_s = _least_s(lambda: sr.encode(made, source))
    read_s = _least_s(lambda: sr_reading.read(encoded, frame_of_reference_uid=FRAME, grid=GRID))
    report = sr_reading.read(encoded, frame_of_reference_uid=FRAME, grid=GRID)
    compared = len(sr.encode(whole(MANY), source))
    name = f"SR for {MANY:,} nodules with every value"
    yield Row(name=f"{name}: write", unit="s CPU", value=write_s, n=TIMES, target=0.5, stretch=0.1)
    yield Row(name=f"{name}: read by us", unit="s CPU", value=read_s, n=TIMES, target=3.0)
    yield Row(name=f"{name}: size", unit="MB", value=len(encoded) / 1e6, target=6.0)
    yield Row(name="the same, compared with a prior: size", unit="MB", value=compared / 1e6, target=6.0)
    same = sum(
        (lesion.diameter_mm, lesion.volume_mm3, lesion.flaws)
        == (round(nodule.diameter_mm, 2), round(nodule.volume_mm3, 1), ())
        for lesion, nodule in zip(report.lesions, made.nodules, strict=True)
    )
    yield Row(name=f"{name}: read back alike", unit="", value=same, target=MANY, higher_is_better=True)
    summary = summary_sr.encode(made, source, masks=True)
    summary_s = _least_s(lambda: summary_sr.encode(made, source, masks=True))
    yield Row(name="summary SR of it: write", unit="s CPU", value=summary_s, n=TIMES)
    yield Row(name="summary SR of it: size", unit="MB", value=len(summary) / 1e6)


def _least_s(call: Callable[[], object]) -> float:
    """Processor time of the fastest of some calls."""
    took = []
    for _ in range(TIMES):
        before = time.process_time()
        call()
        took.append(time.process_time() - before)
    return min(took)


# --- against highdicom -------------------------------------------------------------------------------


def _race(source: Source) -> Iterator[Row]:
    """The same groups, built and saved by both; equal where they parse to the same content."""
    made = analysis(characterised(AGAINST))
    slices = [dcmread(BytesIO(as_file(ct_slice(number)))) for number in range(30)]
    before = time.process_time()
    theirs = _by_highdicom(made, slices)
    their_s = time.process_time() - before
    ours = sr.encode(made, source)
    our_s = _least_s(lambda: sr.encode(made, source))
    pairs = zip(_groups(ours), _groups(theirs), strict=True)
    equal = sum(told(own) == told(other) for own, other in pairs)
    name = f"SR for {AGAINST} nodules against highdicom"
    ratio = their_s / our_s
    yield Row(
        name=f"{name}: times faster",
        unit="x",
        value=ratio,
        target=50,
        stretch=400,
        higher_is_better=True,
        note=f"{their_s:.2f} s and {our_s * 1e3:.1f} ms of processor time",
    )
    yield Row(name=f"{name}: groups equal", unit="", value=equal, target=AGAINST, higher_is_better=True)


def _by_highdicom(made: Analysis, slices: list[highdicom.Dataset]) -> bytes:
    kind = VolumetricROIMeasurementsAndQualitativeEvaluations
    observer = DeviceObserverIdentifyingAttributes(uid=highdicom.UID(), name="Millet")
    content = MeasurementReport(
        observation_context=ObservationContext(ObserverContext(known.DCM.Device, observer)),
        procedure_reported=Code(*codes.CT_PROCEDURE),
        imaging_measurements=[kind.from_sequence([volumetric(nodule)]) for nodule in made.nodules],
    )
    report = Comprehensive3DSR(
        evidence=slices,
        content=content[0],
        series_number=1,
        series_instance_uid=highdicom.UID(),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="highdicom",
    )
    return as_file(report)


def _groups(encoded: bytes) -> list[highdicom.Dataset]:
    """The measurement groups of nodules."""
    content = dcmread(BytesIO(encoded)).ContentSequence
    (measured,) = [item for item in content if item.ConceptNameCodeSequence[0].CodeValue == "126010"]
    groups = measured.ContentSequence
    return [group for group in groups if group.ContentTemplateSequence[0].TemplateIdentifier == "1411"]


# --- judged by others --------------------------------------------------------------------------------


def _judged(source: Source) -> Iterator[Row]:
    none = analysis(spread=spread(()), judgements=(JUDGEMENT,), advice=ADVICE)
    cases = {"none": none, "refused": analysis(remarks=[REFUSED])}
    cases |= {str(count): whole(count) for count in COUNTS}
    with tempfile.TemporaryDirectory() as folder:
        paths = _written(cases, source, Path(folder))
        yield _dciodvfy(paths)
        yield _pixelmed(paths)
        yield _pixelmed_in_parts(paths["sr-220"])
        yield _read_by("dsrdump", cases, lambda name: _dsrdump(paths[f"sr-{name}"]))
        yield _read_by("dcmqi's tid1500reader", cases, lambda name: _dcmqi(paths[f"sr-{name}"]))
        yield _read_by("highdicom", cases, lambda name: _highdicom(paths[f"sr-{name}"]))


def _written(cases: Mapping[str, Analysis], source: Source, folder: Path) -> dict[str, Path]:
    paths = {}
    for name, made in cases.items():
        summary = summary_sr.encode(made, source, masks=bool(made.nodules))
        cad = chest_cad.encode(made, source)
        for kind, encoded in (("sr", sr.encode(made, source)), ("summary", summary), ("cad", cad)):
            path = paths[f"{kind}-{name}"] = folder / f"{kind}-{name}.dcm"
            path.write_bytes(encoded)
    return paths


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _dciodvfy(paths: Mapping[str, Path]) -> Row:
    errors = sum(_said("dciodvfy", "-new", str(path)).count("Error") for path in paths.values())
    name = (
        "dciodvfy: errors in reports, summaries and CAD reports of 0 to 2,000 nodules, and of none analysed"
    )
    return Row(name=name, unit="", value=errors, n=len(paths), target=0)


def _pixelmed(paths: Mapping[str, Path]) -> Row:
    name = "PixelMed: errors in reports of 0 to 18 nodules, summaries of 0 to 2,000, and of none analysed"
    if not PIXELMED.exists():
        return Row(name=name, unit="", note="needs libpixelmed-java", target=0)
    judged = [paths[f"sr-{case}"] for case in BY_PIXELMED]
    judged += [path for name, path in paths.items() if name.startswith("summary-")]
    lines = [line for path in judged for line in pixelmed(path).splitlines()]
    errors = sum("Error" in line or "Exception" in line for line in lines)
    others = sum("Warning" in line and not NOT_IN_TEMPLATE.match(line) for line in lines)
    return Row(name=name, unit="", value=errors, n=len(judged), target=0, note=f"{others} other warnings")


def _pixelmed_in_parts(path: Path) -> Row:
    """The same report with a few of its groups at a time: the validator cannot hold more."""
    name = f"PixelMed: errors in a report of 220 nodules, {PART} at a time"
    if not PIXELMED.exists():
        return Row(name=name, unit="", note="needs libpixelmed-java", target=0)
    errors, parts = 0, range(0, 220, PART)
    for first in parts:
        printed = pixelmed(_with_groups(path, range(first, first + PART)))
        complete = "IOD validation complete" in printed
        errors += printed.count("Error") + printed.count("Exception") + (not complete)
    return Row(name=name, unit="", value=errors, n=len(parts), target=0)


def _with_groups(path: Path, kept: range) -> Path:
    """A report without the other groups of nodules."""
    report = dcmread(path)
    (measured,) = [
        item for item in report.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "126010"
    ]
    every = list(measured.ContentSequence)
    nodules = [group for group in every if group.ContentTemplateSequence[0].TemplateIdentifier == "1411"]
    dropped = {id(group) for number, group in enumerate(nodules) if number not in kept}
    measured.ContentSequence = [group for group in every if id(group) not in dropped]
    part = path.with_name(f"part-{kept.start}.dcm")
    report.save_as(part)
    return part


def _read_by(name: str, cases: Mapping[str, Analysis], reader: Callable[[str], int]) -> Row:
    """How many of all cases' nodules a program finds."""
    wanted = sum(len(made.nodules) for made in cases.values())
    found = sum(reader(case) for case, made in cases.items() if made.nodules)
    row = f"{name}: nodules read"
    return Row(name=row, unit="", value=found, n=len(cases), target=wanted, higher_is_better=True)


def _dsrdump(path: Path) -> int:
    return _said("dsrdump", str(path)).count('"Volume Surface"')


def _dcmqi(path: Path) -> int:
    reader, out = Path(sys.executable).with_name("tid1500reader"), path.with_suffix(".json")
    _said(str(reader), "--inputDICOM", str(path), "--outputMetadata", str(out))
    groups = json.loads(out.read_text("utf-8"))["Measurements"]
    sized = [{item["quantity"]["CodeMeaning"] for item in group["measurementItems"]} for group in groups]
    return sum({"Diameter", "Volume"} <= names for names in sized)


def _highdicom(path: Path) -> int:
    return len(srread(path).content.get_volumetric_roi_measurement_groups())


if __name__ == "__main__":
    from table import write

    write("reports", rows())
