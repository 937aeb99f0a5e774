"""The whole pipeline with the bundled model, no sockets: one body, however it was scanned and sent."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import ct
import highdicom
import numpy as np
import pydicom
import pytest
from bad_series import HANDLED
from PIL import Image

from millet import app
from millet.codec import codes
from millet.codec.ct import read_header
from millet.core.analysis import Analysis, Outcome, TriageLevel
from millet.core.criteria_sets import LUNG_MILIARY
from millet.core.language import Language
from millet.core.nodule import Nodule, NoduleClass, Side
from millet.core.reasons import Reason, Weight
from millet.flow.analyse import Made, Order
from millet.flow.model import Model
from millet.flow.offline import analyse
from millet.phantom import dicom, presets
from millet.settings import Settings

DATA = Path(os.environ.get("MILLET_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))
MASS_COLOUR, EFFUSION_COLOUR = (255, 80, 80), (120, 200, 255)
LATER_UTC = datetime(2026, 1, 6, 8, 0, tzinfo=UTC)
OTHER_POSES = [
    *(dicom.Pose(position=position, flip_rows=True, shuffled=True) for position in dicom.POSITIONS),
    dicom.Pose(position="FFDR", reversed_slices=True),
]
"""Head and feet first, supine, prone and both decubitus; rows flipped, slices shuffled or backwards."""

REPORTS = {"sr", "summary", "cad", "fhir", "hl7-oru"}
IMAGES = {"seg", "labelmap", "gsps", "kos", "sc-axial", "sc-coronal", "sc-rotating"}
IMAGES |= {"mip-coronal.png", "mip-axial.png", "outline.json", "masks.pb"}


@pytest.fixture(scope="module")
def model() -> Model:
    """The bundled model."""
    return app.load_model(Settings())


def run(instances, model: Model, language: Language = Language.ENGLISH) -> Made:
    """Analyse a series under the identifiers that it carries."""
    told = read_header(instances[0])
    order = Order(
        site="default",
        study_uid=told.study_uid,
        series_uid=told.series_uid,
        generation=1,
        created_utc=LATER_UTC,
        language=language,
    )
    return analyse(order, instances, model, lambda *_: None)


@pytest.fixture(scope="module")
def small():
    """The published case at half its size: 30 nodules and a mass that shrank to 21 mm, on the left."""
    return presets.make("case", nodules=30, seed=7, scale=0.5)


@pytest.fixture(scope="module")
def as_scanned(small, model) -> Made:
    """What is found when nothing is turned."""
    return run(dicom.encoded(small), model)


COARSE = presets.Scan(pixel_mm=1.4, slice_mm=3.0)


@pytest.fixture(scope="module")
def full_size():
    """The published case at its own size, on coarse voxels."""
    return presets.make("case", nodules=5, seed=7, scan=COARSE)


@pytest.fixture(scope="module", params=["HFS", "FFDR"])
def with_fluid(request, full_size, model) -> Made:
    """What is found in the full size, in two poses of the table's opposite ends."""
    turned = request.param != "HFS"
    pose = dicom.Pose(position=request.param, flip_rows=turned, shuffled=turned)
    return run(dicom.encoded(full_size, pose=pose), model)


def largest(analysis: Analysis) -> Nodule:
    """The mass, or what it shrank to."""
    return max(analysis.nodules, key=lambda nodule: nodule.diameter_mm)


def columns(png: bytes, colour: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """Where a colour is in a picture, and how wide the picture is."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    return np.flatnonzero((pixels == colour).all(axis=-1).any(axis=0)), pixels.shape[1]


def assert_right_half(png: bytes, colour: tuple[int, int, int]) -> None:
    """The patient's left is on the picture's right."""
    where, width = columns(png, colour)
    assert len(where)
    assert where.min() > width / 2


def sides(structured: bytes, finding: codes.Code) -> list[str]:
    """The laterality of every group of a finding in a report."""
    report = pydicom.dcmread(io.BytesIO(structured))
    return [
        site.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning
        for group in _groups(report)
        if _value(group, codes.FINDING) == finding.meaning
        for site in group.ContentSequence
        if site.ConceptNameCodeSequence[0].CodeMeaning == codes.SITE.meaning
    ]


def _groups(item: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    for child in item.get("ContentSequence", []):
        if child.ConceptNameCodeSequence[0].CodeMeaning == codes.GROUP.meaning:
            yield child
        yield from _groups(child)


def _value(group: pydicom.Dataset, concept: codes.Code) -> str:
    found = [c for c in group.ContentSequence if c.ConceptNameCodeSequence[0].CodeMeaning == concept.meaning]
    return found[0].ConceptCodeSequence[0].CodeMeaning if found else ""


def segment_mm(mask: bytes, nodule_class: NoduleClass) -> np.ndarray:
    """(N, 3) the LPS places of a segment's voxels, as highdicom reads them."""
    read = highdicom.seg.segread(io.BytesIO(mask))
    (number,) = [
        number
        for number in read.segment_numbers
        if read.get_segment_description(number).segmented_property_type.value
        == codes.CLASSES[nodule_class].value
    ]
    volume = read.get_volume(segment_numbers=[number], combine_segments=True)
    return np.asarray(volume.map_indices_to_reference(np.argwhere(volume.array > 0)))


@pytest.mark.parametrize("pose", OTHER_POSES, ids=str)
def test_every_pose_is_the_same_patient(pose, small, as_scanned, model):
    """However patient, rows and slices lay: the same points, sizes, scores, sides, pictures, SEG voxels."""
    instances = dicom.encoded(small, pose=pose)
    made, expected = run(instances, model), as_scanned
    found, before = made.analysis.nodules, expected.analysis.nodules
    assert len(found) == len(before) > 25
    for one, other in zip(found, before, strict=True):
        assert one.centre_mm == pytest.approx(other.centre_mm, abs=0.01)
        assert one.diameter_mm == pytest.approx(other.diameter_mm, abs=0.01)
        assert one.volume_mm3 == pytest.approx(other.volume_mm3, rel=1e-4)
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert (one.number, one.side) == (other.number, other.side)
    assert made.analysis.triage == expected.analysis.triage
    assert made.analysis.lungs == expected.analysis.lungs
    assert_source_slices(instances, made.analysis, small.scan.slice_mm)
    for kind in ("mip-coronal.png", "mip-axial.png"):
        assert made.objects[kind] == expected.objects[kind]
    places = [segment_mm(one.objects["seg"], NoduleClass.NODULE) for one in (made, expected)]
    places = [np.unique(np.round(each, 2), axis=0) for each in places]
    np.testing.assert_allclose(*places, atol=0.02)


def assert_source_slices(instances: list[bytes], analysis: Analysis, slice_mm: float) -> None:
    """The source instance of each nodule is the slice nearest to its centre."""
    heights = {h.sop_instance_uid: h.position_mm[2] for h in map(read_header, instances)}
    for nodule in analysis.nodules:
        nearest = heights[nodule.source_sop_instance_uid]
        assert abs(nearest - nodule.centre_mm.z) <= slice_mm / 2 + 1e-3


def test_the_truth_is_found_where_it_is(small, as_scanned):
    """The largest lesion lies where the phantom has its mass, and most nodules where it has nodules."""
    truth = np.array([mark.centre_mm for mark in small.truth])
    found = np.array([nodule.centre_mm for nodule in as_scanned.analysis.nodules])
    near = np.linalg.norm(truth[:, None] - found, axis=-1).min(axis=1) < 2.0
    assert near[:-1].sum() >= 24
    mass = small.truth[-1]
    assert largest(as_scanned.analysis).centre_mm == pytest.approx(mass.centre_mm, abs=5.0)
    assert mass.centre_mm.x > 0


def test_a_german_order_is_the_same_exam_in_german(small, as_scanned, model):
    """Findings and places are those of the English one; its texts, its objects and their UIDs are others."""
    made = run(dicom.encoded(small), model, Language.GERMAN)
    found, before = made.analysis, as_scanned.analysis
    assert [n.centre_mm for n in found.nodules] == [n.centre_mm for n in before.nodules]
    assert found.triage.level is before.triage.level
    assert set(made.objects) == set(as_scanned.objects)
    for kind in made.objects.keys() - {"outline.json", "masks.pb"}:
        assert made.objects[kind] != as_scanned.objects[kind]
    assert found.provenance.configuration_digest != before.provenance.configuration_digest
    assert found.not_assessed[0] == "Lymphknoten"
    for one, other in zip(_sentences(found), _sentences(before), strict=True):
        assert one != other


def test_a_german_refusal_says_why_in_german(small, model):
    """A series of four slices."""
    made = run(dicom.encoded(small)[:4], model, Language.GERMAN)
    assert made.analysis.triage.reasons == (
        "nicht ausgewertet: Zu wenige Schichten (4 Schichten; 20 sind nötig)",
    )
    assert made.analysis.not_assessed == ("alles: die Serie wurde nicht ausgewertet",)


def _sentences(analysis: Analysis) -> list[str]:
    """What an analysis says in words of its own."""
    return [
        *analysis.triage.reasons,
        *(remark.detail for remark in analysis.remarks),
        *(volume.why for volume in analysis.volumes),
        *(judgement.meaning for judgement in analysis.judgements),
        *analysis.not_assessed,
    ]


def test_a_left_mass_is_left_in_every_object(with_fluid):
    """The mass of the left lower lobe is left in analysis, report, segment and picture."""
    mass = largest(with_fluid.analysis)
    assert mass.nodule_class is NoduleClass.MASS
    assert mass.side is Side.LEFT
    assert mass.centre_mm.x > 0
    assert "left mass" in with_fluid.analysis.triage.reasons[0]
    assert sides(with_fluid.objects["sr"], codes.CLASSES[NoduleClass.MASS]) == ["Left"]
    assert segment_mm(with_fluid.objects["seg"], NoduleClass.MASS)[:, 0].min() > 0
    assert_right_half(with_fluid.objects["mip-coronal.png"], MASS_COLOUR)


def test_a_left_effusion_is_left_in_every_object(with_fluid):
    """The effusion beside the left lung is left in analysis, report and picture, and there is no other."""
    assert [effusion.side for effusion in with_fluid.analysis.effusions] == [Side.LEFT]
    assert any("left pleural effusion" in reason for reason in with_fluid.analysis.triage.reasons)
    assert sides(with_fluid.objects["sr"], codes.EFFUSION) == ["Left"]
    assert_right_half(with_fluid.objects["mip-coronal.png"], EFFUSION_COLOUR)


def test_twice_is_the_same_object(small, as_scanned, model):
    """A second analysis of the same bytes, in another order, makes byte for byte the same objects."""
    again = run(dicom.encoded(small)[::-1], model)
    assert set(again.objects) == REPORTS | IMAGES
    assert again.objects == as_scanned.objects
    assert again.analysis == as_scanned.analysis


def test_the_exam_is_judged_by_our_set_with_the_volumes_of_its_own_lungs(as_scanned):
    """Condition by condition, at the level of the pattern; the zones' volumes come from the mask."""
    (judged,) = as_scanned.analysis.judgements
    told = {one.name: one.observed for one in judged.conditions}
    assert (judged.criteria, judged.level) == ("lung-miliary", as_scanned.analysis.pattern.level)
    assert told["most-nodules-on-an-image"] >= 1
    assert told["zones-with-nodules-as-no-lobes"] == 6
    assert told["zone-density-ratio-as-no-lobes"] > 1


def test_further_criteria_make_another_object(model):
    """A report under other criteria has another UID, also that of a series that is not analysed."""
    further = (replace(LUNG_MILIARY, identifier="lung-of-ours"),)
    series = ct.files(ct.series()[:16])
    one, other = (run(series, judging) for judging in (model, model._replace(criteria=further)))
    digests = {made.analysis.provenance.configuration_digest for made in (one, other)}
    uids = {pydicom.dcmread(io.BytesIO(made.objects["sr"])).SOPInstanceUID for made in (one, other)}
    assert len(digests) == len(uids) == 2


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "ANOTHER"),
        ("IssuerOfPatientID", "ANOTHER"),
        ("PatientBirthDate", "19700101"),
        ("PatientSex", "M"),
        ("StudyInstanceUID", "1.2.3"),
        ("FrameOfReferenceUID", "1.2.3"),
    ],
)
def test_an_identity_conflict_ends_without_an_object(keyword, value, model):
    """One instance that disagrees: not analysed, and no report that would be filed under one of two."""
    datasets = ct.series()
    setattr(datasets[7], keyword, value)
    made = run(ct.files(datasets), model)
    assert made.analysis.outcome is Outcome.NOT_ANALYSED
    assert made.analysis.reason_code == Reason.IDENTITY_CONFLICT
    assert made.analysis.triage.level is TriageLevel.NOT_ASSESSED
    assert made.objects == {}


def test_a_series_that_is_not_analysed_is_reported_so(model):
    """The SR says that nothing was judged; there is neither mask nor picture."""
    made = run(ct.files(ct.series()[:16]), model)
    assert made.analysis.reason_code == Reason.TOO_FEW_SLICES
    assert set(made.objects) == REPORTS
    assert pydicom.dcmread(io.BytesIO(made.objects["sr"])).CompletionFlag == "PARTIAL"


def test_a_box_of_water_has_no_lung(model):
    """Slices without lung are not analysed, which is not "none found"; what was set aside stays said."""
    set_aside, _, _ = HANDLED["a localizer in the series"]
    datasets = set_aside(ct.series())
    water = np.full(ct.SHAPE[1:], 1024, "<u2").tobytes()
    for dataset in datasets:
        dataset.PixelData = water
    made = run(ct.files(datasets), model)
    assert made.analysis.outcome is Outcome.NOT_ANALYSED
    assert made.analysis.reason_code == Reason.NO_LUNG
    assert [r.reason for r in made.analysis.remarks] == [Reason.NO_LUNG, Reason.LOCALIZER_ONLY]
    assert [volume.slices for volume in made.analysis.volumes] == [ct.SHAPE[0]]


@pytest.mark.parametrize(("part", "end"), [(slice(60, None), "base"), (slice(None, 90), "top")])
def test_a_part_of_the_lungs_is_analysed_and_said_to_be_a_part(part, end, small, model):
    """A series that ends within the lungs is analysed outside validated use, and the end is named."""
    upwards = sorted(dicom.encoded(small), key=lambda encoded: read_header(encoded).position_mm[2])
    made = run(upwards[part], model)
    remarks = {(remark.reason, remark.weight): remark.detail for remark in made.analysis.remarks}
    assert made.analysis.outcome is Outcome.FINDINGS
    assert end in remarks[Reason.PARTIAL_LUNG, Weight.OUTSIDE_USE]


@pytest.mark.real_data
def test_a_real_head_is_not_analysed(model):
    """A tilted head CT ends with its tilt; set upright it ends with having no lung."""
    files = sorted((DATA / "robustness/ge-head-tilted").glob("*.dcm"))
    made = run([file.read_bytes() for file in files], model)
    assert made.analysis.reason_code == Reason.GANTRY_TILT
    upright = run(ct.files(list(_upright(files))), model)
    assert upright.analysis.reason_code == Reason.NO_LUNG


def _upright(files: list[Path]) -> Iterator[pydicom.Dataset]:
    """The same head on an upright, even stack."""
    slices = [pydicom.dcmread(file) for file in files]
    slices.sort(key=lambda dataset: dataset.ImagePositionPatient[2])
    for number, dataset in enumerate(slices):
        dataset.GantryDetectorTilt, dataset.SliceThickness = 0, 5
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [-120, -120, 5 * number]
        yield dataset
