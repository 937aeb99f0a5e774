from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from millet.errors import ServiceError
from millet.phantom.apart import COMMAND, Apart

PATIENCE_S = 60
LAZY = """
import sys, time
from millet.phantom import apart, canary

def draw():
    open(sys.argv[1], "w").write("begun")
    time.sleep(600)

canary.draw = draw
apart.main()
"""
REFUSED_ONCE = """
import os, sys

open(sys.argv[1], "a").write(".")
if os.path.getsize(sys.argv[1]) < 2:
    sys.exit("not now")
os.execv(sys.argv[2], sys.argv[2:])
"""
OWNER = """
import sys
from millet.phantom.apart import Apart
Apart((sys.executable, "-c", *sys.argv[1:])).planted()
"""


def python(program, *words):
    """A program as a command."""
    return (sys.executable, "-c", program, *map(str, words))


def soon(look, what):
    """Wait until something is so."""
    ends_s = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < ends_s, what
        time.sleep(0.02)


def children():
    """Of this process, that run."""
    listed = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return {int(pid) for pid in listed}


def runs(pid):
    """Whether a process is there and more than a record of its end."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def drawn(files):
    """Instances as a volume in HU, the feet first, with the LPS place of its first voxel."""
    read = [pydicom.dcmread(BytesIO(one)) for one in files]
    read.sort(key=lambda one: one.ImagePositionPatient[2])
    return np.stack([one.pixel_array for one in read]) - 1024.0, read


def test_it_is_drawn_once_with_its_nodules_where_they_are_told_to_be(tmp_path):
    """After a process that failed the next one is asked; once it is there, none is begun."""
    apart = Apart(python(REFUSED_ONCE, tmp_path / "tries", *COMMAND), limit_s=600)
    with pytest.raises(ServiceError, match="not drawn: not now"):
        apart.planted()
    hu, read = drawn(apart.instances(7))
    assert len(read) == 46
    assert {one.PatientID for one in read} == {"MILLET-CANARY-7"}
    for one in apart.planted():
        x, y, z = np.subtract(one.centre_mm, read[0].ImagePositionPatient)
        assert hu[round(z / 2.0), round(y / 1.4), round(x / 1.4)] > -400
    again, others = drawn(apart.instances(8))
    assert np.array_equal(again, hu)
    assert {one.SOPInstanceUID for one in others}.isdisjoint(one.SOPInstanceUID for one in read)
    assert (tmp_path / "tries").read_text() == ".."


def test_its_nodules_lie_at_the_same_places_on_every_machine():
    """A deliverer with another processor compares with what it draws itself."""
    found = Apart(limit_s=600).planted()
    assert len(found) == 10
    assert found[0].centre_mm == pytest.approx((-17.9122, -11.1796, 14.7367), abs=1e-3)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise ImportError('no room')", "ImportError: no room"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("raise SystemExit(3)", "exit status 3"),
    ],
)
def test_a_process_that_dies_is_told_with_how(program, why):
    """Its last line, its signal or its status."""
    with pytest.raises(ServiceError, match=f"not drawn: {why}"):
        Apart(python(program)).instances(1)


def test_a_process_that_hangs_is_ended():
    """It is waited for so long and no longer, and is gone then."""
    before = children()
    with pytest.raises(ServiceError, match=r"not drawn within 0\.3 s"):
        Apart(python("import time; time.sleep(600)"), limit_s=0.3).planted()
    assert children() <= before


def test_a_program_that_is_not_there_is_told():
    """As any other failure."""
    with pytest.raises(ServiceError, match="No such file"):
        Apart(("/no/such/program",)).planted()


def test_a_stop_ends_it_at_once_and_for_good(tmp_path):
    """Whoever waits for the drawing is let go, and one that is asked for later does not run on."""
    begun, told = tmp_path / "begun", []
    apart = Apart(python(LAZY, begun), limit_s=600)

    def draw():
        with pytest.raises(ServiceError, match="the service stops") as ended:
            apart.planted()
        told.append(ended)

    waiting = threading.Thread(target=draw)
    waiting.start()
    soon(begun.exists, "it begins")
    apart.stop()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()
    assert len(told) == 1
    draw()
    assert len(told) == 2


def test_it_does_not_outlive_who_asked_for_it(tmp_path):
    """An owner that is killed, and tidies nothing up, leaves no process that draws."""
    begun = tmp_path / "begun"
    owner = subprocess.Popen(python(OWNER, LAZY, begun))
    try:
        soon(begun.exists, "it begins")
        (drawing,) = Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text().split()
        assert runs(drawing)
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
    soon(lambda: not runs(drawing), "it ends")
