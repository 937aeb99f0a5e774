import numpy as np
import onnx
import pytest
from looking import look
from scipy import ndimage

from millet.edge import models
from millet.edge.onnx_runtime import OnnxRuntimeDetector
from millet.train import log_bank, log_card


def test_the_committed_model_is_what_its_program_builds():
    """Building the graph again gives the committed bytes."""
    committed = (models.bundled() / "log/1/model.onnx").read_bytes()
    assert log_bank.build().SerializeToString(deterministic=True) == committed


def test_the_committed_card_and_manifest_are_what_the_program_writes(tmp_path):
    """Card and manifest are generated with the graph."""
    folder = tmp_path / "log/1"
    log_bank.main([str(folder)])
    for name in ("manifest.json", "MODEL_CARD.md"):
        assert (folder / name).read_text() == (models.bundled() / "log/1" / name).read_text()
    assert log_card.CARD


def test_there_is_no_limit_in_the_graph():
    """No node of the graph can cut a list of peaks short."""
    kinds = {node.op_type for node in onnx.load(models.bundled() / "log/1/model.onnx").graph.node}
    assert not kinds & {"TopK", "NonMaxSuppression"}


@pytest.fixture(scope="module")
def detector():
    """The committed graph."""
    return OnnxRuntimeDetector((models.bundled() / "log/1/model.onnx").read_bytes(), threads=1)


@pytest.fixture(scope="module")
def tissue():
    """Noise between air and vessels, that has peaks everywhere."""
    noise = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=(60, 62, 79)), 1.2)
    return np.clip(-860 + 250 * noise / noise.std(), -1000, 100).astype(np.float32)


def inside(peaks, first, end):
    """Peaks' voxels between two corners, each with what was found there."""
    voxels = np.rint(peaks.position_voxels).astype(int)
    held = ((voxels >= first) & (voxels < end)).all(axis=1)
    values = np.column_stack([peaks.position_voxels, peaks.diameter_voxels, peaks.score])
    return {tuple(voxel): row for voxel, row in zip(voxels[held], values[held], strict=True)}


@pytest.mark.parametrize("lost", [(1, 2, 3), (4, 1, 15), (3, 5, 16), (2, 2, 17)])
def test_a_core_is_the_same_wherever_its_window_begins(lost, detector, tissue):
    """Rows are cut into lanes from the window's beginning; no peak of the core is to know."""
    first, end = np.add(lost, log_bank.HALO), np.array(tissue.shape) - log_bank.HALO
    whole = inside(look(detector, tissue), first, end)
    part = tissue[lost[0] :, lost[1] :, lost[2] :]
    found = look(detector, part)
    shifted = found._replace(position_voxels=found.position_voxels + np.array(lost, np.float32))
    parts = inside(shifted, first, end)
    assert len(whole) > 20
    assert whole.keys() == parts.keys()
    for voxel, row in whole.items():
        np.testing.assert_allclose(parts[voxel], row, atol=2e-4)


def test_peaks_are_those_of_a_laplacian_of_gaussians(detector, tissue):
    """Every voxel of the core that the graph judges is a peak of the bank as SciPy computes it."""
    responses = []
    for sigma in log_bank.SIGMAS:
        smooth = tissue.astype(np.float64)
        for axis in range(3):
            smooth = ndimage.correlate1d(smooth, log_bank.gaussian(sigma), axis=axis)
        responses.append(-(sigma**2) * ndimage.laplace(smooth))
    best = np.max(responses, axis=0)
    peaked = (best == ndimage.maximum_filter(best, 3)) & (best > log_bank.BLOB_FLOOR_HU)
    judged = inside(look(detector, tissue), log_bank.HALO, np.array(tissue.shape) - log_bank.HALO)
    assert judged
    assert all(peaked[voxel] for voxel in judged)


def test_the_smallest_window_is_run(detector):
    """21 voxels along each axis, as the card says; a manifest's own are larger."""
    assert len(look(detector, np.full((21, 21, 21), -1000, np.float32)).score) == 0
