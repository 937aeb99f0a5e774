from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import ct
import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from millet.codec import pixels
from millet.codec.ct import read_header, read_slice
from millet.core.reasons import Reason
from millet.errors import ServiceError, UnfitSeries

HU = ct.HU[3]


def _slice() -> Dataset:
    return ct.series()[3]


def _hu(dataset: Dataset) -> NDArray[np.float32]:
    encoded = ct.encoded(dataset)
    return read_slice(encoded, read_header(encoded))


def test_a_header_tells_what_its_tags_tell() -> None:
    """Geometry, identity, rescale and kind are read as they are written."""
    found = read_header(ct.encoded(_slice()))
    assert found.position_mm == (-40.0, -150.0, 303.0)
    assert (found.row_direction, found.column_direction) == ((1, 0, 0), (0, 1, 0))
    assert found.pixel_spacing_mm == (0.8, 0.7)
    assert (found.patient.patient_id, found.patient.issuer, found.patient.name) == ("P1", "H1", "Müller^Ä")
    assert (found.rescale_slope, found.rescale_intercept, found.kvp, found.kernel) == (1, -1024, 120, "B60f")
    assert (found.age_years, found.accession, found.study_date) == (66, "A1", "20260102")


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless]
)
def test_uncompressed_forms_and_run_lengths(syntax: pydicom.uid.UID) -> None:
    """The slice is the same in every syntax that pydicom itself writes."""
    dataset = _slice()
    if syntax == RLELossless:
        dataset.compress(syntax)
    elif syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = syntax
    assert np.array_equal(_hu(dataset), HU)


CODES: dict[str, tuple[str, Callable[[NDArray[np.uint16]], bytes]]] = {
    "JPEG lossless": ("1.2.840.10008.1.2.4.70", lambda v: imagecodecs.ljpeg_encode(v, bitspersample=16)),
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
    "JPEG 2000": (
        "1.2.840.10008.1.2.4.90",
        lambda v: imagecodecs.jpeg2k_encode(v, reversible=True, codecformat="j2k"),
    ),
    "JP2 file in DICOM": (
        "1.2.840.10008.1.2.4.90",
        lambda v: imagecodecs.jpeg2k_encode(v, reversible=True, codecformat="jp2"),
    ),
    "HTJ2K": ("1.2.840.10008.1.2.4.201", lambda v: imagecodecs.htj2k_encode(v, reversible=True)),
}


@pytest.mark.parametrize("code", CODES)
def test_compressed_without_loss(code: str) -> None:
    """Every lossless code gives the very HU back; cut short, it is truncated and not guessed at."""
    syntax, encode = CODES[code]
    values = (np.tile(ct.HU[3], (8, 8)) + 1024).astype(np.uint16)
    dataset = _slice()
    dataset.Rows, dataset.Columns = values.shape
    code_bytes = bytes(encode(values))
    encoded = ct.encoded(ct.compressed(deepcopy(dataset), syntax, code_bytes))
    assert np.array_equal(read_slice(encoded, read_header(encoded)), np.tile(HU, (8, 8)))
    for cut in (encoded[: len(encoded) // 2], encoded[:-40]):
        assert _reason(cut) is Reason.PIXELS_TRUNCATED
    short = ct.encoded(ct.compressed(dataset, syntax, code_bytes[: len(code_bytes) // 2]))
    assert _reason(short) is Reason.PIXELS_TRUNCATED


def _reason(encoded: bytes) -> Reason:
    with pytest.raises(UnfitSeries) as refused:
        read_slice(encoded, read_header(encoded))
    return refused.value.reason


@pytest.mark.parametrize(
    ("signed", "stored_bits", "high_bit"), [(True, 16, 15), (True, 13, 12), (False, 12, 11), (False, 12, 13)]
)
def test_sign_and_width(signed: bool, stored_bits: int, high_bit: int) -> None:
    """Only the stored bits count, wherever they lie; rubbish in the others is cut off."""
    dataset = _slice()
    intercept = 0 if signed else -1024
    value = HU.astype(int) - intercept
    if not signed or stored_bits < 16:
        spare = high_bit + 1 - stored_bits
        mask = (1 << stored_bits) - 1
        value = ((value & mask) << spare) | (0xFFFF & ~(mask << spare))
    dataset.PixelData = (value & 0xFFFF).astype("<u2").tobytes()
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = stored_bits, high_bit, int(signed)
    dataset.RescaleIntercept = intercept
    assert np.array_equal(_hu(dataset), HU)


def test_padding_is_air() -> None:
    """Padding becomes -1024 HU though its stored value would mean something else; so does all below."""
    dataset = _slice()
    values = (HU + 1024).astype(np.int16)
    values[0, :4], values[1, 1] = 3000, -1000
    dataset.PixelData, dataset.PixelRepresentation = values.tobytes(), 1
    dataset.add_new("PixelPaddingValue", "SS", 3000)
    found = _hu(dataset)
    assert np.all(found[0, :4] == -1024)
    assert found[1, 1] == -1024
    assert np.array_equal(found[2:], HU[2:])


def test_fractional_rescale() -> None:
    """Slope and intercept are applied as they stand."""
    dataset = _slice()
    dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-512.25"
    assert np.allclose(_hu(dataset), np.maximum((HU + 1024) * 0.5 - 512.25, -1024))


def _exact(values: NDArray[np.int64], slope: int, intercept: int, padding: int | None) -> NDArray[np.int64]:
    hu = np.maximum(values * slope + intercept, -1024)
    return hu if padding is None else np.where(values == padding, -1024, hu)


@given(
    slope=st.sampled_from((1, 2, 3, 7, -1, -5, 255)),
    intercept=st.integers(-40000, 40000),
    signed=st.booleans(),
    middle=st.integers(0, 65535),
    width=st.sampled_from((0, 40, 3000, 65535)),
    padded=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_whole_hu_are_exact_whatever_the_type(
    slope: int, intercept: int, signed: bool, middle: int, width: int, padded: bool
) -> None:
    """Odd slopes, large intercepts, 16 bits with and without sign: int16 where they fit, else float32."""
    least, most = (-32768, 32767) if signed else (0, 65535)
    ends = np.clip(np.asarray((middle - width, middle + width)) + least, least, most)
    values = np.linspace(*ends, HU.size).round().astype(np.int64).reshape(HU.shape)
    padding = int(values[2, 3]) if padded else None
    dataset = _slice()
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.PixelRepresentation = (
        slope,
        intercept,
        int(signed),
    )
    dataset.PixelData = (values & 0xFFFF).astype("<u2").tobytes()
    if padding is not None:
        dataset.add_new("PixelPaddingValue", "SS" if signed else "US", padding)
    found = _hu(dataset)
    hu = values * slope + intercept
    assert found.dtype == (np.int16 if -32768 <= hu.min() and hu.max() <= 32767 else np.float32)
    assert np.array_equal(found, _exact(values, slope, intercept, padding))


@pytest.mark.parametrize(("slope", "intercept"), [(1, -100000001), (2, -200000002), (-3, 300000003)])
def test_large_stored_values_are_exact_where_their_hu_fit(slope: int, intercept: int) -> None:
    """32 bits hold numbers that float32 does not: nothing is lost on the way to a small HU."""
    dataset = _slice()
    values = HU.astype(np.int64) + abs(intercept // slope)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 32, 32, 31
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    dataset.PixelData = values.astype("<u4").tobytes()
    found = _hu(dataset)
    assert found.dtype == np.int16
    assert np.array_equal(found, _exact(values, slope, intercept, None))


def test_a_slope_that_no_integer_type_holds_is_a_number_still() -> None:
    """A slice of nought alone is its intercept, whatever it is multiplied by."""
    dataset = _slice()
    dataset.RescaleSlope, dataset.RescaleIntercept = "1E+300", "-1000"
    dataset.PixelData = bytes(2 * HU.size)
    assert np.all(_hu(dataset) == -1000)


@pytest.mark.parametrize(("slope", "intercept"), [("0.5", "-512"), ("1", "-1023.5"), ("1.1", "-1024")])
def test_hu_that_are_not_whole_are_floats(slope: str, intercept: str) -> None:
    """Slope and intercept both count; the values are float32's nearest to within a thousandth."""
    dataset = _slice()
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    found = _hu(dataset)
    exact = np.maximum((HU + 1024.0) * float(slope) + float(intercept), -1024)
    assert found.dtype == np.float32
    assert np.allclose(found, exact, rtol=0, atol=1e-3)


AGES = {
    "years": ({"PatientAge": "066Y"}, 66.0),
    "months": ({"PatientAge": "018M"}, 1.5),
    "dates": ({"PatientAge": "", "PatientBirthDate": "19600102"}, 66.0),
    "nothing": ({"PatientAge": "", "PatientBirthDate": ""}, None),
    "nonsense": ({"PatientAge": "", "PatientBirthDate": "19609999"}, None),
}


@pytest.mark.filterwarnings("ignore:.*:UserWarning:pydicom")  # the test writes what pydicom dislikes
@pytest.mark.parametrize("case", AGES)
def test_age(case: str) -> None:
    """The age is the stated one, else the time between two dates, else unknown."""
    values, years = AGES[case]
    dataset = _slice()
    for name, value in values.items():
        setattr(dataset, name, value)
    age = read_header(ct.encoded(dataset)).age_years
    assert age == (None if years is None else pytest.approx(years, abs=0.01))


def test_odd_values_cost_themselves_alone() -> None:
    """A wrong VR, a number that is none and an unknown character set leave the rest readable."""
    dataset = _slice()
    encoded = ct.encoded(dataset).replace(b"ISO_IR 192", b"ISO_IR 999").replace(b"B60f", b"\xff60f")
    encoded = encoded.replace(b"DS\x06\x00120.0", b"LO\x06\x0012a.0")
    found = read_header(encoded)
    assert found.kvp is None
    assert found.kernel.endswith("60f")
    assert found.position_mm == (-40.0, -150.0, 303.0)
    assert found.patient.name == "Müller^Ä"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_bare_data_set_is_read(syntax: pydicom.uid.UID) -> None:
    """Without preamble and meta information the data set is read by its looks."""
    dataset = _slice()
    dataset.file_meta.TransferSyntaxUID = syntax
    encoded = ct.encoded(dataset)
    bare = encoded[encoded.index(b"\x08\x00\x05\x00") :]
    header = read_header(bare)
    assert header.position_mm == (-40.0, -150.0, 303.0)
    assert np.array_equal(read_slice(bare, header), HU)


def test_a_giant_is_not_decoded() -> None:
    """A codestream that claims another size than its header is refused before it is decoded."""
    dataset = ct.compressed(
        _slice(), "1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode(np.zeros((640, 480), "u2"))
    )
    assert _reason(ct.encoded(dataset)) is Reason.PIXELS_UNREADABLE


def _survives(encoded: bytes) -> None:
    """Reading either works or fails with an error of our own."""
    try:
        read_slice(encoded, read_header(encoded))
    except ServiceError:
        return


def test_no_damage_escapes() -> None:
    """Flipped, cut and repeated bytes of every code lead to errors of our own alone."""
    chance = random.Random(1)
    values = (ct.HU[3] + 1024).astype(np.uint16)
    whole = [ct.encoded(_slice())]
    whole += [ct.encoded(ct.compressed(_slice(), uid, bytes(code(values)))) for uid, code in CODES.values()]
    for _ in range(150):
        for encoded in whole:
            damaged = bytearray(encoded)
            for _ in range(chance.choice((1, 3, 30))):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            _survives(bytes(damaged))
            _survives(encoded[: chance.randrange(len(encoded))])


def test_pydicoms_own_files() -> None:
    """Whatever pydicom ships for its tests is read or refused, never more, and never with a warning."""
    folder = Path(str(pydicom.__file__)).parent / "data" / "test_files"
    paths = sorted(folder.rglob("*.dcm"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in paths:
            _survives(path.read_bytes())
    assert len(paths) > 20


def test_the_syntaxes_are_offered() -> None:
    """What can be decoded is what the receiver may accept."""
    assert {"1.2.840.10008.1.2", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"} < {
        *pixels.TRANSFER_SYNTAXES
    }


def test_what_states_a_count_is_read() -> None:
    """Counts of series, volume and acquisition, and the parts of a concatenation; absent where absent."""
    made = _slice()
    plain = read_header(ct.encoded(made))
    assert (plain.stated_instances, plain.stated_slices, plain.stated_in_acquisition) == (None,) * 3
    assert (plain.concatenation_uid, plain.concatenation_parts, plain.frames) == ("", None, 1)
    made.NumberOfSeriesRelatedInstances, made.NumberOfSlices, made.ImagesInAcquisition = 301, 302, 303
    made.ConcatenationUID, made.InConcatenationTotalNumber, made.NumberOfFrames = "1.2.7", 4, 50
    told = read_header(ct.encoded(made))
    assert (told.stated_instances, told.stated_slices, told.stated_in_acquisition) == (301, 302, 303)
    assert (told.concatenation_uid, told.concatenation_parts, told.frames) == ("1.2.7", 4, 50)
