from collections import Counter

import onnxruntime
import pytest
import torch

from millet.edge import models
from millet.edge.onnx_runtime import OnnxRuntimeDetector, TensorRt, detector, devices, providers
from millet.errors import ModelError

CPU, CUDA, TENSORRT = providers.CPU, providers.CUDA, providers.TENSORRT
NETWORK = models.load(models.bundled() / "millet/1")[1]["fine"]
BOUNDS = TensorRt(least=(1, 32, 32, 32), usual=(2, 96, 96, 96), most=(8, 216, 216, 216))


@pytest.fixture
def machine(monkeypatch):
    """A machine by the providers that ONNX Runtime has and the devices that torch sees."""

    def make(held, gpus):
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: held)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)

    return make


@pytest.mark.parametrize(
    ("held", "gpus", "found"),
    [([CUDA, CPU], 2, ("cuda:0", "cuda:1")), ([CUDA, CPU], 0, ()), ([CPU], 2, ())],
)
def test_a_device_counts_if_torch_and_onnx_runtime_both_have_it(machine, held, gpus, found):
    """Windows are torch's, the graph is ONNX Runtime's."""
    machine(held, gpus)
    assert devices() == found


@pytest.mark.parametrize(
    ("held", "gpus", "device", "tensorrt", "told"),
    [
        ([CPU], 0, "cuda", None, f"no {CUDA}, only {CPU}"),
        ([CUDA, CPU], 1, "cuda", BOUNDS, f"no {TENSORRT}, only {CUDA}, {CPU}"),
        ([CUDA, CPU], 2, "cuda:2", None, "no cuda:2 for .*: cuda:0, cuda:1"),
        ([CUDA, CPU], 1, "tpu", None, "no tpu for .*: cuda:0"),
        ([CUDA, CPU], 0, "cuda", None, "no cuda:0 .* none, since torch"),
        ([TENSORRT, CUDA, CPU], 1, "cpu", BOUNDS, "TensorRT does not run on the CPU"),
    ],
)
def test_what_is_not_there_is_refused_by_name(machine, held, gpus, device, tensorrt, told):
    """With what there is instead; nothing falls back to it."""
    machine(held, gpus)
    with pytest.raises(ModelError, match=told):
        OnnxRuntimeDetector(NETWORK, device=device, tensorrt=tensorrt)


def test_tensorrt_takes_no_int8(machine):
    """Its 8 bit values have a sign, those of our graphs have none."""
    machine([TENSORRT, CUDA, CPU], 1)
    with pytest.raises(ModelError, match="int8"):
        OnnxRuntimeDetector(NETWORK, precision="int8", device="cuda", tensorrt=BOUNDS)


def test_cuda_alone_is_the_first_device(machine):
    """A device goes by its whole name from then on."""
    machine([CUDA, CPU], 2)
    assert str(providers.checked("cuda", None, "fp32")) == "cuda:0"
    assert str(providers.checked("cuda:1", None, "fp32")) == "cuda:1"


def session():
    """The network in a session on the CPU, which tells who got what."""
    return detector._session(NETWORK, [(CPU, {})], 1)


def test_a_graph_that_the_cpu_got_is_not_taken_for_cudas():
    """By the real record of a session whose nodes are all on the CPU."""
    nodes = providers.assigned(session())
    assert set(nodes) == {CPU}
    assert nodes[CPU]["Conv"] > 10
    assert providers.taken(nodes, CPU) == CPU
    with pytest.raises(ModelError, match=rf"{CUDA} did not take all .* \d+ Conv, "):
        providers.taken(nodes, CUDA)


NET = Counter(Conv=15, Relu=12, MaxPool=1, NonZero=2)


@pytest.mark.parametrize(
    ("nodes", "wanted", "told"),
    [
        ({CUDA: NET}, CUDA, CUDA),
        ({CUDA: NET, CPU: Counter(Shape=1, Sub=1)}, CUDA, CUDA),
        (
            {CUDA: NET, CPU: Counter(Shape=1, NonMaxSuppression=2)},
            CUDA,
            f"{CUDA} and {CPU} for 2 NonMaxSuppression",
        ),
        ({TENSORRT: NET}, TENSORRT, TENSORRT),
        ({TENSORRT: NET, CUDA: Counter(GatherND=13)}, TENSORRT, f"{TENSORRT} and {CUDA}"),
    ],
)
def test_the_provider_names_everybody_who_runs_a_part(nodes, wanted, told):
    """Shape arithmetic on the CPU is no part of it."""
    assert providers.taken(nodes, wanted) == told


@pytest.mark.parametrize(
    ("nodes", "wanted", "told"),
    [
        ({CUDA: NET, CPU: Counter(MaxPool=1, Shape=2)}, CUDA, "CPU got 1 MaxPool$"),
        ({CUDA: NET}, TENSORRT, f"{TENSORRT} took nothing of the graph; {CUDA} did"),
        ({TENSORRT: Counter(Add=30), CUDA: NET}, TENSORRT, "took nothing"),
        ({}, CUDA, "nobody did"),
    ],
)
def test_a_provider_that_did_not_take_the_voxels_is_refused(nodes, wanted, told):
    """Be it that the CPU got a part, or that another provider got all."""
    with pytest.raises(ModelError, match=told):
        providers.taken(nodes, wanted)


def test_cuda_runs_in_full_precision_on_the_stream_that_it_is_given():
    """TF32 would be a third precision that nobody asked for."""
    ((name, options),) = providers.asked(torch.device("cuda:1"), 4711, None, "fp32")
    assert name == CUDA
    assert options["device_id"] == "1"
    assert options["user_compute_stream"] == "4711"
    assert options["use_tf32"] == "0"


@pytest.mark.parametrize(("precision", "half"), [("fp32", "False"), ("fp16", "True")])
def test_tensorrt_gets_bounds_and_cuda_the_rest(precision, half):
    """One stream for both; the peaks are kept from TensorRT; no folder, no file."""
    (first, engine), (second, cuda) = providers.asked(torch.device("cuda:0"), 4711, BOUNDS, precision)
    assert (first, second) == (TENSORRT, CUDA)
    assert engine["user_compute_stream"] == cuda["user_compute_stream"] == "4711"
    assert engine["trt_profile_min_shapes"] == "hu:1x1x32x32x32"
    assert engine["trt_profile_opt_shapes"] == "hu:2x1x96x96x96"
    assert engine["trt_profile_max_shapes"] == "hu:8x1x216x216x216"
    assert engine["trt_fp16_enable"] == half
    assert "NonZero" in engine["trt_op_types_to_exclude"].split(",")
    assert not [key for key in engine if "cache" in key]


def test_the_operators_that_tensorrt_does_not_get_are_not_the_networks():
    """What is left to it is a network in one piece; the peaks left to it are too few to be one."""
    (_, engine), _ = providers.asked(torch.device("cuda:0"), 1, BOUNDS, "fp32")
    kept = set(engine["trt_op_types_to_exclude"].split(","))
    nodes = [n.op_type for part in session().get_provider_graph_assignment_info() for n in part.get_nodes()]
    last = max(n for n, kind in enumerate(nodes) if kind == "Conv")
    assert not kept & set(nodes[: last + 1])
    assert last + 1 > int(engine["trt_min_subgraph_size"])
    assert "NonZero" in nodes[last:]


def test_engines_are_kept_where_they_are_told_to_be(tmp_path):
    """Below the state directory, if given."""
    kept = TensorRt(least=BOUNDS.least, usual=BOUNDS.usual, most=BOUNDS.most, engines=tmp_path)
    (_, engine), _ = providers.asked(torch.device("cuda:0"), 1, kept, "fp32")
    assert (engine["trt_engine_cache_enable"], engine["trt_engine_cache_path"]) == ("True", str(tmp_path))


def test_bounds_go_from_small_to_large():
    """On every side, and never from nought."""
    for wrong in ((1, 32, 97, 32), (0, 32, 32, 32)):
        with pytest.raises(ValueError, match="small to large"):
            TensorRt(least=wrong, usual=BOUNDS.usual, most=BOUNDS.most)
