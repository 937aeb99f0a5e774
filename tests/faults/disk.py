"""A disk of its own for the service's state: it can be full, and the power can be cut.

It is an ext4 file system in an image in memory, behind a loop device. At a cut the image is copied as it
is: what the file system has not submitted to the device is lost, as in a machine; the copy is mounted,
which replays its journal. The file system is made as hard on its user as POSIX allows (data=writeback: a
flushed name may stand for data that was not flushed; noauto_da_alloc: no mercy for renames; commit=600:
nothing is flushed in passing), so that it is the service's own flushes which count.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE_BYTES = 768 << 20
OPTIONS = "loop,data=writeback,noauto_da_alloc,commit=600,noatime"
BALLAST = "ballast"


class DiskError(Exception):
    """A step of the test bench itself failed."""


class Disk:
    """One mounted image. Nothing may be open on it at a cut but what is killed then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self.root = folder / "disk"
        self.root.mkdir(parents=True)
        with self._image.open("wb") as file:
            file.truncate(SIZE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1", str(self._image))
        self._mount()

    @property
    def _image(self) -> Path:
        return self._folder / f"disk-{self._number}.img"

    def fill(self, left_bytes: int) -> None:
        """Leave so many bytes free."""
        with (self.root / BALLAST).open("ab") as file:
            free = shutil.disk_usage(self.root).free
            size = file.tell()
            while free > left_bytes:
                try:
                    os.posix_fallocate(file.fileno(), size, max(free - left_bytes, 4096))
                except OSError:
                    break  # somebody else took what was left: it is full
                size, free = os.fstat(file.fileno()).st_size, shutil.disk_usage(self.root).free

    def drain(self) -> None:
        """Give back what `fill` took."""
        (self.root / BALLAST).unlink(missing_ok=True)

    def snapshot(self) -> Path:
        """The device as it would be found after a power cut now."""
        then = self._folder / f"disk-{self._number + 1}.img"
        _run("cp", "--sparse=always", str(self._image), str(then))
        return then

    def restart(self) -> None:
        """After `snapshot`, once everybody who used the disk is dead: mount what the cut left."""
        self._unmount()
        self._image.unlink()
        self._number += 1
        self._mount()

    def close(self) -> None:
        """Unmount and forget."""
        self._unmount()
        self._image.unlink(missing_ok=True)

    def _mount(self) -> None:
        _run("mount", "-o", OPTIONS, str(self._image), str(self.root))

    def _unmount(self) -> None:
        for _ in range(100):
            if subprocess.run(["umount", str(self.root)], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.05)  # the dead may not have let go of their files yet
        raise DiskError(f"{self.root} is still in use")


class Folder:
    """A plain folder, where no disk of its own can be had: it is never full, and keeps its power."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "disk"
        self.root.mkdir(parents=True)

    def drain(self) -> None:
        """Nothing was filled."""

    def close(self) -> None:
        """Nothing to let go."""


def to_be_had() -> bool:
    """Whether this machine lets us mount images: root, with loop devices."""
    folder = Path(tempfile.mkdtemp(prefix="faults-disk-"))
    try:
        Disk(folder).close()
    except (OSError, DiskError):
        return False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DiskError(f"{command[0]}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(0 if to_be_had() else 1)
