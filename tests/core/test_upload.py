import numpy as np
import pytest
import torch

from millet.core.upload import upload

INTEGERS = np.random.default_rng(0).integers(-32768, 32768, (7, 9)).astype(np.int16)


def bits(tensor):
    """Its float32 as integers, on the host."""
    assert tensor.dtype == torch.float32
    return tensor.cpu().numpy().view(np.int32)


def to_device(slice_hu, device):
    """A slice where it was uploaded to, what lay there before being anything."""
    place = torch.full(slice_hu.shape, torch.nan, device=device)
    upload(slice_hu, place)
    return place


def test_integers_and_floats_arrive_as_the_same_bits():
    """Every value of 16 bits is a float."""
    every = np.arange(-32768, 32768, dtype=np.int16).reshape(256, 256)
    assert np.array_equal(bits(to_device(every, "cpu")), bits(to_device(every.astype(np.float32), "cpu")))
    assert np.array_equal(to_device(every, "cpu").numpy(), every)


def test_fractions_of_a_hounsfield_unit_stay():
    """What a rescale slope made is not rounded."""
    assert to_device(np.float32([[-1000.25, 0.1]]), "cpu").tolist() == [[-1000.25, np.float32(0.1)]]


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_view_of_a_buffer_that_is_used_again(kind):
    """Read-only, turned and strided arrays are taken, and copied."""
    buffer = INTEGERS.astype(kind)
    view = buffer.T[::-2]
    view.flags.writeable = False
    wanted = view.astype(np.float32)
    arrived = to_device(view, "cpu")
    buffer[:] = 0
    assert np.array_equal(arrived.numpy(), wanted)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float64, ">i2"])
def test_other_voxels_are_refused(kind):
    """A slice in HU has one of two types; raw stored values have not come through the rescale."""
    with pytest.raises(ValueError, match="HU"):
        to_device(INTEGERS.astype(kind), "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_gpu_gets_the_same_bits_while_the_host_goes_on(kind):
    """Many slices out of one buffer, each queued before the last has arrived."""
    buffer, arrived = np.zeros((512, 512), kind), []
    slices = np.random.default_rng(1).integers(-1024, 3072, (50, 512, 512)).astype(kind)
    for part in slices:
        buffer[:] = part
        arrived.append(to_device(buffer, "cuda:0"))
    for part, tensor in zip(slices, arrived, strict=True):
        assert tensor.device == torch.device("cuda:0")
        assert np.array_equal(bits(tensor), bits(to_device(part, "cpu")))
