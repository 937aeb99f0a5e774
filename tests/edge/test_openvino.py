import subprocess
import sys

from millet.edge import models

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


def test_signals_are_handled_after_detectors_have_gone():
    """In whatever order they went: a request to stop is one."""
    command = [sys.executable, "-c", _ONE_AFTER_THE_OTHER, str(models.bundled() / "log/1/model.onnx")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "handled\n"
