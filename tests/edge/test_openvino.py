import subprocess
import sys

import numpy as np
import pytest
import torch

from millet.edge import models, openvino
from millet.errors import ModelError

_ONE_AFTER_THE_OTHER = """
import gc, os, signal, sys
from millet.edge.openvino import OpenVinoDetector
model = open(sys.argv[1], "rb").read()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
detectors = [OpenVinoDetector(model) for _ in range(3)]
while detectors:
    detectors.pop(0)
    gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
"""


_MANY_SHAPES = """
import itertools, re, sys, torch
from pathlib import Path
from millet.edge import malloc, models
from millet.edge.openvino import OpenVinoDetector
malloc.give_back_large()
detector = OpenVinoDetector(models.load(models.bundled() / "millet/1")[1]["fine"], threads=1)
def own_mb():
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^Private_\\w+: +(\\d+)", text, re.MULTILINE))) / 1000
sides = itertools.product((24, 32), range(64, 96, 4), range(64, 96, 4))
for number, shape in enumerate(itertools.islice(sides, 110)):
    detector.detect(torch.full((1, *shape), -800.0))
    if number == 49:
        before = own_mb()
print(own_mb() - before)
"""


def test_windows_of_other_shapes_take_no_more_memory():
    """Each chest has windows of its own shapes; after some, sixty shapes more take less than 50 MB."""
    told = subprocess.run([sys.executable, "-c", _MANY_SHAPES], capture_output=True, text=True, check=True)
    assert float(told.stdout) < 50


def test_signals_are_handled_after_detectors_have_gone():
    """In whatever order they went: a request to stop is one."""
    command = [sys.executable, "-c", _ONE_AFTER_THE_OTHER, str(models.bundled() / "log/1/model.onnx")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "handled\n"


def test_an_fp32_graph_computes_in_bf16_or_not_at_all():
    """Where the CPU can: told, and nearly the same; elsewhere refused, never done in another precision."""
    graph = models.load(models.bundled() / "millet/1")[1]["coarse"]
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.normal(-700, 200, (10, 12, 12)), np.ones((4, 4, 4))) + rng.normal(
        0, 40, (40, 48, 48)
    )
    window = torch.from_numpy(coarse.clip(-1000, 100).astype(np.float32))
    if "BF16" not in openvino._core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(ModelError, match="bf16"):
            openvino.OpenVinoDetector(graph, compute="bf16", threads=1)
        return
    detector = openvino.OpenVinoDetector(graph, compute="bf16", threads=1)
    assert (detector.precision, detector.provider) == ("fp32", "OpenVINO CPU computing in bf16")
    (fine,) = openvino.OpenVinoDetector(graph, threads=1).detect(window[None])
    (short,) = detector.detect(window[None])
    scores = {tuple(v): s for v, s in zip(np.rint(short.position_voxels), short.score, strict=True)}
    voxels = [tuple(v) for v in np.rint(fine.position_voxels)]
    off = [abs(scores[v] - s) for v, s in zip(voxels, fine.score, strict=True) if v in scores]
    assert len(off) > 0.9 * len(voxels) > 20
    assert 0 < np.quantile(off, 0.95) < 0.02
