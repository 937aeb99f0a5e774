"""Chests that cannot be looked at as a whole: each ends in a coded statement, none in a silent zero."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

from millet import app
from millet.codec.ct import read_header
from millet.core.analysis import Outcome, TriageLevel
from millet.core.lungs import LungMask, lungs
from millet.core.reasons import Reason, Weight
from millet.core.volume import Volume
from millet.flow.analyse import Made, Order
from millet.flow.model import Model
from millet.flow.offline import analyse
from millet.phantom import dicom, presets
from millet.settings import Settings

DATA = Path(os.environ.get("MILLET_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))
OUTSIDE = Weight.OUTSIDE_USE
Change = Callable[[np.ndarray, np.ndarray], None]
"""Changes HU, given the labels of the lungs on the same voxels."""


@pytest.fixture(scope="module")
def model() -> Model:
    """The bundled model."""
    return app.load_model(Settings())


@pytest.fixture(scope="module")
def chest() -> tuple[presets.Phantom, LungMask]:
    """A small chest without a nodule, and its lungs."""
    made = presets.make("negative", seed=3, scale=0.45, scan=presets.Scan(pixel_mm=1.4, slice_mm=2.5))
    return made, lungs(made.volume)


def changed(chest: tuple[presets.Phantom, LungMask], change: Change) -> list[bytes]:
    """The chest's slices, its voxels changed."""
    made, mask = chest
    hu = np.asarray(made.volume.hu, np.float32).copy()
    change(hu, mask.on(made.volume.grid))
    voxels = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    return dicom.encoded(replace(made, volume=Volume(hu=voxels, grid=made.volume.grid)))


def run(instances: list[bytes], model: Model) -> Made:
    """Analyse a series under the identifiers that it carries."""
    told = read_header(instances[0])
    order = Order(
        site="default",
        study_uid=told.study_uid,
        series_uid=told.series_uid,
        generation=1,
        created_utc=datetime(2026, 1, 6, 8, 0, tzinfo=UTC),
    )
    return analyse(order, instances, model, lambda *_: None)


def said(made: Made) -> dict[Reason, Weight]:
    """The codes of what was said, with their weights; each must be in the report, too."""
    report = pydicom.dcmread(io.BytesIO(made.objects["sr"]))
    coded = {str(c.get("CodeValue", c.get("LongCodeValue"))) for c in _codes(report)}
    assert {remark.reason.value for remark in made.analysis.remarks} <= coded
    return {remark.reason: remark.weight for remark in made.analysis.remarks}


def _codes(item: pydicom.Dataset):
    for child in item.get("ContentSequence", []):
        yield from child.get("ConceptCodeSequence", [])
        yield from _codes(child)


def tissue(label: int, hu: float, keep: float = 0.0) -> Change:
    """Fill a lung (0 for both) with something, but for the uppermost share of its slices."""

    def change(voxels: np.ndarray, labels: np.ndarray) -> None:
        lung = labels > 0 if label == 0 else labels == label
        held = np.flatnonzero(lung.any(axis=(1, 2)))
        lung[held[-1] + 1 - round(keep * len(held)) :] = False
        voxels[lung] = hu + np.random.default_rng(1).normal(0, 20, int(lung.sum()))

    return change


def metal(streaks_hu: float) -> Change:
    """A block of metal in the left lung, with streaks that fade in its slices and the next."""

    def change(voxels: np.ndarray, labels: np.ndarray) -> None:
        z, y, x = (int(v) for v in np.median(np.argwhere(labels == 2), axis=0))
        block = (slice(z - 2, z + 3), slice(y - 4, y + 5), slice(x - 4, x + 5))
        rows = np.indices(voxels.shape[1:])
        far_mm = 1.4 * np.hypot(rows[0] - y, rows[1] - x)
        rays = np.sin(18 * np.arctan2(rows[0] - y, rows[1] - x)) * np.exp(-far_mm / 25)
        voxels[z - 5 : z + 6] += streaks_hu * rays
        voxels[block] = 3071

    return change


def test_an_ordinary_chest_has_nothing_of_it(chest, model):
    """None of these codes is said of a chest that has both its lungs."""
    codes = {Reason.ONE_LUNG, Reason.OPAQUE_LUNG, Reason.METAL, Reason.PARTIAL_LUNG}
    assert not codes & said(run(changed(chest, lambda _hu, _labels: None), model)).keys()


def test_no_lungs_at_all_is_not_analysed(chest, model):
    """Both lungs full of tissue: refused with its code, no count."""
    made = run(changed(chest, tissue(0, 40.0)), model)
    assert said(made) == {Reason.NO_LUNG: Weight.REFUSES}
    assert made.analysis.outcome is Outcome.NOT_ANALYSED
    assert made.analysis.triage.level is TriageLevel.NOT_ASSESSED


@pytest.mark.parametrize(("label", "side"), [(1, "right"), (2, "left")])
def test_one_lung_is_said_to_be_one(label, side, chest, model):
    """The side without air is named, and silence about it is never shown as unflagged."""
    made = run(changed(chest, tissue(label, 40.0)), model)
    assert said(made)[Reason.ONE_LUNG] is OUTSIDE
    assert f"no air-filled {side} lung" in made.analysis.triage.reasons[-1]
    assert made.analysis.triage.level is not TriageLevel.UNFLAGGED
    found = made.analysis.lungs
    assert (found.right_l == 0, found.left_l == 0) == (side == "right", side == "left")


def test_a_lung_white_with_effusion_is_said_to_be_opaque(chest, model):
    """Fluid in all but the apex of one lung: how much of it could not be looked at, and in what density."""
    made = run(changed(chest, tissue(2, 10.0, keep=0.25)), model)
    assert said(made)[Reason.OPAQUE_LUNG] is OUTSIDE
    (detail,) = [r.detail for r in made.analysis.remarks if r.reason is Reason.OPAQUE_LUNG]
    assert "left lung holds no air" in detail
    assert made.analysis.triage.level is not TriageLevel.UNFLAGGED


@pytest.mark.parametrize(("streaks_hu", "weight"), [(400.0, OUTSIDE), (0.0, Weight.NOTE)])
def test_metal_is_said_and_weighs_by_its_streaks(streaks_hu, weight, chest, model):
    """Metal in the chest is always said; where its streaks cross the lungs it limits the analysis."""
    assert said(run(changed(chest, metal(streaks_hu)), model))[Reason.METAL] is weight


def test_a_volume_without_its_apices_is_partial(chest, model):
    """The upper third is missing: the end is named."""
    instances = changed(chest, lambda _hu, _labels: None)
    upwards = sorted(instances, key=lambda encoded: read_header(encoded).position_mm[2])
    made = run(upwards[: round(0.62 * len(upwards))], model)
    assert said(made)[Reason.PARTIAL_LUNG] is OUTSIDE
    assert "at the top" in made.analysis.remarks[-1].detail


@pytest.mark.real_data
def test_a_real_volume_that_ends_too_early_is_partial(model):
    """The upper lungs only, of a real scan: analysed, and the missing bases are said."""
    files = sorted((DATA / "lungfcp-01-0001").glob("*.dcm"))
    made = run([file.read_bytes() for file in files], model)
    assert said(made)[Reason.PARTIAL_LUNG] is OUTSIDE
    assert any("at the base" in remark.detail for remark in made.analysis.remarks)
