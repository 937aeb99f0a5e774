from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reports import GRID, as_file, ct_series, ct_slice, nodules, sop_uid

from millet.codec.ct import read_header
from millet.core.geometry import PointMm
from millet.core.looked_at import cuts, to_open_first, volume_of

HEADERS = [read_header(one) for one in ct_series()]


def test_the_volume_is_told_again_from_headers_in_any_order():
    """Slices from the feet to the head, each once, however they came; a localizer is none of them."""
    localizer = read_header(as_file(ct_slice(99, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])))
    shuffled = [HEADERS[n] for n in np.random.default_rng(1).permutation(len(HEADERS))]
    stack = volume_of([localizer, *shuffled, HEADERS[3]])
    assert [one.sop_instance_uid for one in stack.slices] == [sop_uid(n) for n in range(len(HEADERS))]


def test_what_could_not_be_analysed_has_no_volume():
    """Too few slices, or none at all."""
    assert volume_of(HEADERS[:4]) is None
    assert volume_of([]) is None


def test_a_slice_cuts_what_it_reaches_and_what_it_is_the_source_of():
    """Where, in its own pixels; a small nodule between two slices is cut by its source."""
    (one,) = nodules(1)
    at = GRID.to_patient_array(np.asarray([[10.4, 20.0, 30.0]]))[0]
    small = replace(one, centre_mm=PointMm(*at), diameter_mm=3.0, source_sop_instance_uid=sop_uid(10))
    large = replace(small, number=2, diameter_mm=8.0)
    (first, second), (only,), none = (cuts(HEADERS[n], [small, large]) for n in (10, 11, 12))
    assert (first.nodule, second.nodule, only.nodule, none) == (small, large, large, ())
    assert (first.column, first.row) == pytest.approx((30.0, 20.0))
    assert (second.radius_columns, second.radius_rows) == pytest.approx((0.8, 0.8))


def test_pixels_need_not_be_square():
    """A radius has a length in columns and one in rows."""
    header = read_header(as_file(ct_slice(10, PixelSpacing=["2.5", "5.0"])))
    (one,) = nodules(1)
    (cut,) = cuts(header, [replace(one, diameter_mm=10.0, source_sop_instance_uid=sop_uid(10))])
    assert (cut.radius_columns, cut.radius_rows) == pytest.approx((1.0, 2.0))


def test_without_a_nodule_no_slice_is_to_be_opened_first():
    """Nothing to show is nothing chosen."""
    assert to_open_first(volume_of(HEADERS), ()) == ()
