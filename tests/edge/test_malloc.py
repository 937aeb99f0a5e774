import subprocess
import sys

from millet.edge import malloc

PEAK = """
import sys, threading
import numpy as np
from millet.edge import malloc

def resident_mb():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]) / 1000

if sys.argv[1] == "back":
    assert malloc.give_back_large()

def work():
    kept = [np.ones(2_000_000 + 10_000 * n, np.uint8) for n in range(60)]
    small = [bytes(5000) for _ in range(200)]
    del kept
    held.append((small, resident_mb()))

held = []
before = resident_mb()
for _ in range(4):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print(held[-1][1] - before)
"""


def test_large_blocks_go_back_to_the_machine():
    """What a thread worked in, 120 MB a time, is gone when it is let go."""
    run = [sys.executable, "-c", PEAK, "back"]
    left_mb = float(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert left_mb < 30


def test_where_the_c_library_is_another_one_nothing_happens(monkeypatch):
    """Not every system has `mallopt`."""
    monkeypatch.setattr(malloc.ctypes, "CDLL", lambda _name: object())
    assert not malloc.give_back_large()
