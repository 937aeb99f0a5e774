"""What is done for a series before its last slice is there, and what is left when it is.

Theory of operation. Nothing here decides: which slices make the volume, where the lungs are and what is a
nodule is asked when the series is complete, of all of it. But slices are read, placed on the models' grids
and looked at window by window as they come, a slab of planes at a time. Each window's answer is kept with
the very slices, places and shares that it was made of. In the end an answer counts if it would be made of
the same again, else the window is looked at once more. So the result is the same whatever came first, late,
twice or not at all, and whether anything was done ahead, as far as the engine computes the same for windows
of another shape and in other batches: in int8 and bf16 it does so only nearly.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from millet.codec import decoders
from millet.codec.decoders import Decode
from millet.core.boxes import Proposal, Selected
from millet.core.cover import cell_planes
from millet.core.geometry import Grid
from millet.core.lattice import Window
from millet.core.lungs import LungMask
from millet.core.manifest import Level, Manifest
from millet.core.nodule import Candidate
from millet.core.placing import Frame, Range, between, slice_grid
from millet.core.resample import Box
from millet.core.slices import Made, Slices
from millet.core.turns import NEVER, ROUTINE
from millet.core.volume import Volume, canonical, canonical_grid
from millet.flow.answers import Progress, answered, as_they_come, failed
from millet.flow.batcher import Batcher, Look
from millet.flow.detect import clipped, plan, proposals, selected, window_of
from millet.flow.placed import layer_and_frame, layer_of
from millet.flow.planes import PICTURE, Planes
from millet.flow.read import ReadSeries
from millet.flow.shelf import Shelf, Taken
from millet.flow.slabs import FEWEST_CELLS, GRID, slab_cores, slab_reach, slab_within, slabs_of
from millet.ports import Detector, Peaks


class Reader(NamedTuple):
    """A model that looks at a series: its contract and, by graph, the detectors that run it."""

    name: str
    manifest: Manifest
    detectors: Mapping[str, Detector]


class _Seen(NamedTuple):
    """A window that was or will be looked at, and what it is made of."""

    made_of: Made
    found: Future[list[Proposal]]


class _Place(NamedTuple):
    """Which window of which level of which reader."""

    reader: str
    level: str
    core: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Haste:
    """How urgent a series is, and when its answer is due."""

    urgency: int = ROUTINE
    due_s: float = NEVER


class Ahead:
    """The work on one series. Thread-safe."""

    def __init__(
        self,
        series: Hashable,
        readers: tuple[Reader, ...],
        batcher: Batcher,
        haste: Haste | None = None,
        *,
        everything: bool = False,
        decode: Decode = decoders.decode,
    ) -> None:
        """Begin with nothing.

        Args:
            series: by which the batcher knows it.
            readers: who looks.
            batcher: of the device that it is looked at on.
            haste: how urgent it is.
            everything: collect candidates down to the models' floor and not only what is reported.
            decode: who decodes compressed slices.
        """
        self.shelf = Shelf(decode)
        self._everything = everything
        self._series, self._readers, self._batcher = series, readers, batcher
        self._haste = haste or Haste()
        devices = {detector.device for reader in readers for detector in reader.detectors.values()}
        self._device = devices.pop() if len(devices) == 1 else "cpu"
        lattices = {level.spacing_mm for reader in readers for level in reader.manifest.levels}
        self._spacings = sorted(lattices | {GRID, PICTURE})
        self._planes: Planes | None = None
        self._grid: Grid | None = None
        """Of the complete series, canonical: what lies outside it is no window's core."""
        self._seen: dict[_Place, _Seen] = {}
        self._slabs: dict[tuple[str, str, int, int], Made] = {}
        self._lock = threading.RLock()

    # while the series arrives

    def take(self, name: str, encoded: bytes) -> Taken:
        """Read one instance and put it in its place; the same again changes nothing."""
        known = name in self.shelf
        taken = self.shelf.take(name, encoded)
        if not known and (layer := layer_and_frame(taken)):
            frame, placed = layer
            with self._lock:
                planes = self._planes = self._planes or Planes(frame, self._device)
            if planes.frame.agrees(frame):
                planes.put((placed,))
        return taken

    def advance(self) -> int:
        """Have every window looked at whose planes are there, of a series that arrives; returns how many.

        Of a complete one the lungs tell what is left (`look_in`); cores of both would overlap.
        """
        planes = self._planes
        if planes is None or self.is_complete():
            return 0
        for spacing_mm in self._spacings:
            planes.prepare(spacing_mm)
        with self._lock:
            slices = planes.slices
            ready = [
                (reader, level, slab)
                for reader in self._readers
                for level in reader.manifest.levels
                for slab in self._ready(slices, reader, level)
            ]
            for reader, level, slab in ready:
                reach = slab_reach(level, slab)
                self._slabs[reader.name, level.name, *slab] = slices.made_of(level.spacing_mm[0], reach)
        count = 0
        for reader, level, slab in ready:
            cores = list(slab_cores(planes, level, slab))
            with self._lock:
                if self.is_complete():
                    return count
                for core in cores:
                    self._look(planes, slices, reader, level, window_of(core, level))
            count += len(cores)
        return count

    def is_complete(self) -> bool:
        """Whether it is known which slices the series has."""
        return self._grid is not None

    @property
    def windows(self) -> tuple[int, int]:
        """How many windows were looked at, and how many were asked for so far."""
        seen = list(self._seen.values())
        return sum(one.found.done() for one in seen), len(seen)

    @property
    def found(self) -> Sequence[Candidate]:
        """What the first reader would report of what was looked at so far; not yet held against the lungs."""
        first = self._readers[0]
        mine = [one.found for at, one in list(self._seen.items()) if at.reader == first.name]
        return [one.candidate for one in answered(mine) if first.manifest.reports(one.candidate)]

    def _ready(self, slices: Slices, reader: Reader, level: Level) -> Iterator[Range]:
        """The slabs of a level that are there and were not looked at as they are."""
        cell = cell_planes(level)
        known = slices.known()
        lattice = _whole(slices, level.spacing_mm[0])
        held = self._held(slices, reader, level)
        fewest = FEWEST_CELLS[self._busy(reader)]
        run: list[int] = []
        for first in (*range(lattice[0] // cell * cell, lattice[1], cell), None):
            fits = first is not None and first not in held and slab_within(level, first, first + cell, known)
            if fits and first is not None:
                run.append(first)
            if run and not fits:
                grows_up = run[0] - cell in held or run[0] <= lattice[0]
                yield from slabs_of(run, cell, fewest, grows_up=grows_up)
                run = []

    def _held(self, slices: Slices, reader: Reader, level: Level) -> set[int]:
        """The cells along the body that were looked at as they are now."""
        cell, held = cell_planes(level), set[int]()
        for (name, of, *slab), made_of in self._slabs.items():
            here = slab[0], slab[1]
            if (name, of) == (reader.name, level.name) and made_of == slices.made_of(
                level.spacing_mm[0], slab_reach(level, here)
            ):
                held.update(range(*here, cell))
        return held

    def _busy(self, reader: Reader) -> bool:
        seen = list(self._seen.items())
        return any(place.reader == reader.name and not one.found.done() for place, one in seen)

    def _look(self, planes: Planes, slices: Slices, reader: Reader, level: Level, window: Window) -> None:
        """Put a window in the queue, unless the same is there or done; the lock is held."""
        made_of = _window_made_of(slices, level, window)
        place = _Place(reader.name, level.name, window.core)
        known = self._seen.get(place)
        if known and known.made_of == made_of:
            return
        detector = reader.detectors[level.graph]
        axes = planes.frame.grid(level.spacing_mm, (0, 1))

        def voxels() -> torch.Tensor:
            hu = planes.window(level.spacing_mm, window.box, slices)
            return clipped(hu.to(detector.device), reader.manifest)

        def then(peaks: Peaks) -> list[Proposal]:
            only = not self._everything and reader.manifest.post is None
            return proposals(peaks, axes, reader.manifest, level, window, reported_only=only)

        look = Look(
            series=self._series,
            detector=detector,
            shape=window.box.shape,
            voxels=voxels,
            then=then,
            urgency=self._haste.urgency,
            due_s=self._haste.due_s + self._readers.index(reader),
        )
        self._seen[place] = _Seen(made_of, self._batcher.submit(look))

    # when it is complete

    def complete(self, series: ReadSeries, haste: Haste | None = None) -> None:
        """From now on the series is what was read; what was begun for other slices is not used.

        Windows that failed are forgotten, so that each attempt at an analysis looks at them again.
        """
        frame = Frame.of(slice_grid(series.volume.grid))
        with self._lock:
            if haste:
                self._haste = haste
                self._batcher.hurry(self._series, haste.urgency, haste.due_s)
            planes = self._planes
            if planes is None or not planes.frame.agrees(frame):
                planes = self._planes = Planes(frame, self._device)
                self._batcher.cancel(self._series)
                self._seen.clear()
            self._grid = canonical_grid(series.volume.grid)
            lies = slice_grid(series.volume.grid)
            axis = np.asarray(canonical_grid(lies).axes[0], float)
            placed = [layer_of(taken, lies, axis) for taken in series.taken]
            self._seen = {place: seen for place, seen in self._seen.items() if not failed(seen.found)}
            planes.keep(layer.name for layer in placed)
            planes.put(placed)

    def volume(self, spacing_mm: tuple[float, float, float]) -> Volume:
        """The whole of a complete series on a lattice, HU float32."""
        planes = self._complete()
        return planes.volume(spacing_mm, _whole(planes.slices, spacing_mm[0]))

    def planes(self, spacing_mm: tuple[float, float, float]) -> tuple[Sequence[NDArray[np.int16]], Grid]:
        """Each plane (y, x) of a complete series on a lattice, in whole HU, and the grid of all of them."""
        planes = self._complete()
        range_ = _whole(planes.slices, spacing_mm[0])
        return planes.rounded(spacing_mm, range_), planes.frame.grid(spacing_mm, range_)

    def look_in(self, lungs: LungMask) -> None:
        """Have everything looked at that the lungs hold and no window yet holds."""
        with self._lock:
            planes = self._complete()
            for reader in self._readers:
                for level, window in self._left(planes, reader, lungs):
                    self._look(planes, planes.slices, reader, level, window)

    def search(
        self, reader: Reader, source: Volume, lungs: LungMask, progress: Progress = lambda _done, _total: None
    ) -> Selected:
        """What a reader finds in the lungs; waits for its windows. Raises DetectorError, Interrupted."""
        if all(reader.name != one.name for one in self._readers):  # which would look like nothing found
            raise RuntimeError(f"{reader.name} does not look at this series")
        seen = canonical(source)
        with self._lock:
            windows = [found for _, found in self._valid(self._complete(), reader)]
        found = [proposal for some in as_they_come(windows, progress) for proposal in some]
        return selected(found, seen, lungs, reader.manifest)

    def close(self) -> None:
        """Take back what still waits, and let go of all."""
        with self._lock:
            self._seen.clear()
            self._planes = None
        self._batcher.cancel(self._series)

    @property
    def held_bytes(self) -> int:
        """Memory of slices and planes."""
        with self._lock:
            return self.shelf.held_bytes + (self._planes.held_bytes if self._planes else 0)

    @property
    def coming_bytes(self) -> int:
        """Memory of the slices that were read, and of all planes that are made of them in the end."""
        with self._lock:
            planes = self._planes.coming_bytes(self._spacings) if self._planes else 0
            return max(self.shelf.held_bytes + planes, self.held_bytes)

    def _complete(self) -> Planes:
        if self._planes is None:
            raise RuntimeError("the series is not complete")
        return self._planes

    def _left(self, planes: Planes, reader: Reader, lungs: LungMask) -> Iterator[tuple[Level, Window]]:
        held: dict[str, list[Box]] = {}
        for (level, window), _ in self._valid(planes, reader):
            held.setdefault(level.name, []).append(window.core)
        assert self._grid is not None  # noqa: S101 - it is complete
        return plan(self._grid, lungs, reader.manifest, done=lambda level: held.get(level.name, ()))

    def _valid(
        self, planes: Planes, reader: Reader
    ) -> list[tuple[tuple[Level, Window], Future[list[Proposal]]]]:
        """Windows whose answer is what it would be now."""
        levels, slices, valid = {level.name: level for level in reader.manifest.levels}, planes.slices, []
        for place, seen in self._seen.items():
            if place.reader != reader.name:
                continue
            level = levels[place.level]
            window = window_of(place.core, level)
            if seen.made_of == _window_made_of(slices, level, window):
                valid.append(((level, window), seen.found))
        return valid


def _window_made_of(slices: Slices, level: Level, window: Window) -> Made:
    return slices.made_of(level.spacing_mm[0], (window.box.start[0], window.box.stop[0]))


def _whole(slices: Slices, spacing_mm: float) -> Range:
    return between(float(slices.heights_mm[0]), float(slices.heights_mm[-1]), spacing_mm)
