"""Following up: exams laid over each other, nodules matched, the response told.

Lungs of both simulators, moved by another breath and by waves; what a detector does to the lists (5 % missed,
2 % false, centres and volumes a little off) is put in. The response is also told of a whole phantom pair,
whose images are looked at once more where a nodule seems gone.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import numpy as np
from table import Row

from millet.core.comparable import Compared, Conditions
from millet.core.followup import Followed, Shown, Study, compare
from millet.core.geometry import PointMm
from millet.core.lung_outline import DENSE, outline
from millet.core.lungs import lungs
from millet.core.registration import Exam, register
from millet.core.second_look import shows
from millet.phantom import anatomy, presets
from millet.phantom.after import After
from millet.phantom.pairs import Found, Pair, Reader, Shape, Twice, pair, twice
from millet.phantom.second import anatomy as second
from millet.phantom.spec import PRESETS, Phantom

SEEDS = (11, 12)
VOLUMES = (0.85, 0.9, 1.1, 1.15)
COUNTS = (5, 20, 200, 1000, 2000)
TARGET = 1000
READER = Reader()
HOW = Conditions(slice_mm=1.0, kernel="B30f", cut_at_top=False, cut_at_base=False, reading="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one pair."""

    f1: float
    """1 where no nodule is in both lists and none was matched."""
    share_off: float
    """Share gone less the share of the prior's list that is not in the current list."""
    truth_off: float
    """Less the share that truly vanished: with what both readings missed."""
    change_off: float
    error_mm: float
    cost_s: float


def rows() -> list[Row]:
    """Of lists at every number of nodules, then of a phantom pair."""
    outcomes = {count: [_followed(count, lung, after) for lung, after in _lungs()] for count in COUNTS}
    many = outcomes[TARGET]
    made = [
        replace(
            _row("matching F1, 1,000 nodules", "", [one.f1 for one in many], 0.97, higher=True), stretch=0.99
        ),
        _row("response share off, 1,000 nodules", "points", [100 * abs(o.share_off) for o in many], 2.0),
        _row("median volume change off, 1,000 nodules", "%", [100 * abs(o.change_off) for o in many], 5.0),
        _row("registration error, 1,000 nodules, mean", "mm", [one.error_mm for one in many], 1.0),
        _row("cost of follow-up, 1,000 nodules, processor time", "s", [one.cost_s for one in many], 0.5),
        _row(
            "response share off what truly vanished, 5 % missed each time, no images",
            "points",
            [100 * abs(one.truth_off) for one in many],
        ),
    ]
    return [*made, *(_mean_row(count, some) for count, some in outcomes.items()), *_phantom_rows()]


def _lungs() -> Iterator[tuple[Twice, After]]:
    for seed in SEEDS:
        first = anatomy.chest(np.random.default_rng([seed, 0]), scale=1.0, mass=False, effusion=False)
        grid, _ = second.coarse_grid(0.7, 512, 1.0)
        other = second.chest(grid, 1.0, np.random.default_rng([seed, 200]), effusion=False)
        for shape in (Shape(level=first.lung, grid=first.grid), Shape(level=other.lung, grid=grid)):
            for volume in VOLUMES:
                after = After(volume=volume)
                yield twice(shape, after, np.random.default_rng([seed, round(100 * volume)])), after


def _followed(count: int, lung: Twice, after: After) -> Outcome:
    """One pair followed."""
    made = pair(lung, count, after, np.random.default_rng([count, round(100 * after.volume)]), READER)
    started_s = time.process_time()
    current = _study("2", made.current, date(2026, 4, 5), DENSE)
    prior = _study("1", made.prior, date(2026, 1, 5))
    begun_s = time.process_time()
    change = compare(current, prior)
    cost_s = time.process_time() - begun_s + (begun_s - started_s)
    pairs = [(n.prior_number - 1, n.number - 1) for n in change.nodules if n.number and n.prior_number]
    right = sum(made.prior.who[a] == made.current.who[b] >= 0 for a, b in pairs)
    gone = 1 - len(made.both) / max(len(made.prior.who), 1)
    share = change.gone_share if change.gone_share is not None else 0.0
    marks = len(pairs) + len(made.both)
    return Outcome(
        f1=float(2 * right / marks) if marks else 1.0,
        share_off=share - gone,
        truth_off=share - float(made.gone.mean()),
        change_off=(change.median_volume_change or 0.0) - _change(made),
        error_mm=_error_mm(made),
        cost_s=cost_s,
    )


def _change(made: Pair) -> float:
    """The median change of volume of who is in both lists."""
    before, after = (
        dict(zip(found.who.tolist(), found.volumes_mm3, strict=True)) for found in (made.prior, made.current)
    )
    return float(np.median([after[who] / before[who] - 1 for who in made.both.tolist()] or [0.0]))


def _error_mm(made: Pair) -> float:
    """How far every nodule of the pair, found or not, is off."""
    prior = Exam(outline(made.prior.lungs), made.prior.centres_mm)
    laid = register(prior, Exam(outline(made.current.lungs, DENSE), made.current.centres_mm))
    off = laid.there(made.nodules_mm) - made.way.there(made.nodules_mm)
    return float(np.linalg.norm(off, axis=1).mean())


def _study(uid: str, found: Found, taken: date, points: int = 500) -> Study:
    nodules = tuple(
        Followed(
            number=number,
            tracking_uid=f"2.25.{uid}{number:05}",
            centre_mm=PointMm(*centre.tolist()),
            diameter_mm=float((6 * volume / np.pi) ** (1 / 3)),
            volume_mm3=float(volume),
        )
        for number, (centre, volume) in enumerate(
            zip(found.centres_mm, found.volumes_mm3, strict=True), start=1
        )
    )
    how = Compared(model_digest="", count_reliable=True, lungs=found.lungs.litres, conditions=HOW)
    return Study(series_uid=uid, taken=taken, nodules=nodules, how=how, outline=outline(found.lungs, points))


def _phantom_rows() -> list[Row]:
    """The case before and after therapy, full size: what is told, with and without the second look."""
    wanted = PRESETS["case"]
    first, later = (presets.make(replace(wanted, after=after), seed=5) for after in (None, After()))
    gone = np.asarray([row is None for row in later.followed])
    rng = np.random.default_rng(7)
    prior, current = (
        _read_phantom(first, rng, "1", date(2026, 1, 5)),
        _read_phantom(later, rng, "2", date(2026, 4, 5)),
    )
    looks: dict[str, Shown | None] = {"without": None, "with": partial(shows, later.volume)}
    made = []
    for name, look in looks.items():
        change = compare(current, prior, look)
        off = 100 * abs((change.gone_share if change.gone_share is not None else 0.0) - gone.mean())
        made.append(
            Row(
                name=f"case after therapy, images: response share off, {name} the second look",
                unit="points",
                value=float(off),
                n=len(gone),
                target=2.0 if look else None,
                note=f"5 % missed, 2 % false each time; {', '.join(change.limited) or 'not limited'}",
            )
        )
    return made


def _read_phantom(phantom: Phantom, rng: np.random.Generator, uid: str, taken: date) -> Study:
    """Its true nodules, some missed, some false, on the lungs that the image shows."""
    mask = lungs(phantom.volume)
    centres = np.asarray([mark.centre_mm for mark in phantom.truth])
    volumes = np.pi / 6 * np.asarray([mark.diameter_mm for mark in phantom.truth]) ** 3
    seen = rng.uniform(size=len(centres)) >= READER.missed
    held = np.argwhere(mask.label > 0)
    false = mask.grid.to_patient_array(
        held[rng.integers(len(held), size=round(READER.false * seen.sum()))].astype(float)
    )
    found = Found(
        lungs=mask,
        centres_mm=np.concatenate([centres[seen] + rng.normal(0, 0.17, (seen.sum(), 3)), false]),
        volumes_mm3=np.concatenate([volumes[seen], np.full(len(false), 14.0)]),
        who=np.concatenate([np.flatnonzero(seen), np.full(len(false), -1)]),
    )
    return _study(uid, found, taken, DENSE)


def _row(
    name: str, unit: str, values: Sequence[float], target: float | None = None, *, higher: bool = False
) -> Row:
    """The worst of all pairs is judged; the range is that of all."""
    return Row(
        name=name,
        unit=unit,
        value=float(min(values) if higher else max(values)),
        low=float(min(values)),
        high=float(max(values)),
        n=len(values),
        target=target,
        higher_is_better=higher,
        note=f"the worst of {len(values)} pairs; mean {statistics.mean(values):.4g}",
    )


def _mean_row(count: int, outcomes: Sequence[Outcome]) -> Row:
    """Matching at one number of nodules: of five, one wrong is a fifth, so the mean is judged."""
    values = [one.f1 for one in outcomes]
    return replace(
        _row(f"matching F1, {count:,} nodules, mean", "", values, 0.97, higher=True),
        value=float(statistics.mean(values)),
        note=f"registration off by {statistics.mean(one.error_mm for one in outcomes):.2f} mm in the mean",
    )
