import io

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from reports import analysis, ct_series, images, nodules, sparse

from millet.codec import labelmap
from millet.codec.native import native
from millet.codec.source import Source
from millet.core.uids import object_uid

IMAGES = images()


@pytest.mark.parametrize("kind", ["labelmap", "sc-axial", "sc-coronal", "sc-rotating"])
def test_the_pixels_stay_what_they_are(kind):
    """As pydicom reads both; nothing but the transfer syntax and the pixels' form has changed."""
    before, after = dcmread(io.BytesIO(IMAGES[kind])), dcmread(io.BytesIO(native(IMAGES[kind])))
    assert after.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert np.array_equal(before.pixel_array, after.pixel_array)
    del before.PixelData, after.PixelData
    assert before == after


def test_numbers_of_two_bytes_stay_what_they_are():
    """Three hundred nodules on one image, sixteen bits each."""
    volume = np.zeros((2, 20, 15), np.int64)
    volume[1] = np.arange(1, 301).reshape(20, 15)
    encoded = labelmap.encode(
        analysis(nodules(300)), sparse(volume), Source.read(ct_series(2, Rows=20, Columns=15))
    )
    assert np.array_equal(dcmread(io.BytesIO(native(encoded))).pixel_array, volume[1])


@pytest.mark.parametrize("kind", ["seg", "gsps", "kos"])
def test_what_is_not_compressed_stays_itself(kind):
    """Byte for byte."""
    assert native(IMAGES[kind]) == IMAGES[kind]


def test_every_object_has_the_uid_that_it_is_journalled_under():
    """Which verification and storage commitment ask for."""
    for kind, encoded in IMAGES.items():
        ds = dcmread(io.BytesIO(encoded))
        assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID
        assert ds.SOPInstanceUID == object_uid(analysis(nodules(3)), kind)
    series = {dcmread(io.BytesIO(encoded)).SeriesInstanceUID for encoded in IMAGES.values()}
    assert len(series) == len(IMAGES)


def test_what_is_compressed_in_another_way_is_refused():
    """Rather than sent as rubbish."""
    other = IMAGES["labelmap"].replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.90")
    with pytest.raises(ValueError, match="none of ours"):
        native(other)
