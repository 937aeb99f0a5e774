"""Three pictures of an evaluation: the FROC curve, found against true count, and shares by size or kind."""

from __future__ import annotations

from collections.abc import Sequence

from millet.evaluate.bins import Bin
from millet.evaluate.estimate import Estimate
from millet.evaluate.froc import Curve, Froc, froc
from millet.evaluate.plot import BLUE, FAINT, INK, MIDDLE_BLUE, ORANGE, PALE_BLUE, Axis, Plot, linear
from millet.evaluate.summary import Summary
from millet.evaluate.sweep import Sweep

LEAST_RATE, MOST_RATE = 1 / 16, 32.0
BAND_RATES = tuple(2.0 ** (step / 4) for step in range(-16, 21))
_RATE_NAMES = ("1/16", "1/8", "1/4", "1/2", "1", "2", "4", "8", "16", "32")


def froc_png(sweeps: Sequence[Sweep], curve: Curve, summary: Summary) -> bytes:
    """Sensitivity over false findings per scan, with its interval and the operating point."""
    rates = Axis(
        name="false findings per scan (log scale)",
        low=LEAST_RATE,
        high=MOST_RATE,
        ticks=tuple((LEAST_RATE * 2**n, name) for n, name in enumerate(_RATE_NAMES)),
        log=True,
    )
    band = [(r, e.low, e.high) for r, e in froc(sweeps, BAND_RATES).at if e.low is not None]
    shares = _shares(min([low for _, low, _ in band if low is not None], default=0.0))
    plot = Plot("FROC", _counted(curve, summary.froc), rates, shares)
    if curve.nodules:
        plot.band([(r, low or 0) for r, low, _ in band], [(r, high or 0) for r, _, high in band], PALE_BLUE)
        plot.line(_steps(curve), BLUE, 3)
        for rate, value in summary.froc.at:
            plot.dot((rate, value.value or 0.0), BLUE)
        _operating(plot, summary, shares)
    return plot.png()


def _shares(least: float) -> Axis:
    """Sensitivity up to 1, from the highest of some round numbers that hides nothing."""
    low = max(start for start in (0.0, 0.5, 0.8, 0.9, 0.95) if start <= least)
    step = (1 - low) / 5
    ticks = tuple((low + n * step, f"{low + n * step:.3g}") for n in range(6))
    return Axis(name="sensitivity", low=low, high=1.0, ticks=ticks)


def _counted(curve: Curve, found: Froc) -> str:
    words = f"{curve.nodules} nodules in {curve.scans} scans"
    return f"{words}; CPM {said(found.cpm)}" if curve.nodules else f"{words}: no sensitivity"


def _steps(curve: Curve) -> list[tuple[float, float]]:
    """The curve as what can be had: level from one corner to the next, and on to the last."""
    steps, height = [(LEAST_RATE, curve.at(LEAST_RATE))], curve.at(LEAST_RATE)
    for at in curve.corners().tolist():
        rate, share = float(curve.false_per_scan[at]), float(curve.sensitivity[at])
        if LEAST_RATE < rate <= MOST_RATE:
            steps += [(rate, height), (rate, share)]
            height = share
    if len(curve.false_per_scan) and curve.false_per_scan[-1] > MOST_RATE:
        steps.append((MOST_RATE, height))
    return steps


def _operating(plot: Plot, summary: Summary, shares: Axis) -> None:
    """A ring where the threshold lies, at the edge of the paper if it lies beyond; its words keep apart."""
    rate, share = summary.false_per_scan.value, summary.sensitivity.value
    if rate is None or share is None:
        return
    plot.dot((rate, share), ORANGE, 8, hollow=True)
    at_eight = dict(summary.froc.at)[8.0].value or 0.0
    free = 0.05 if shares.share(at_eight) > 0.2 else 0.95
    words = f"operating point: {share:.3f} at {rate:.3g} false per scan"
    plot.words((MOST_RATE, shares.low + free * (1 - shares.low)), words, ORANGE, "rm", shift=(-12, 0))


def counts_png(summary: Summary) -> bytes:
    """Found against true count, one dot a scan, with the diagonal and the line through them."""
    most = max((max(case.true, case.found) for case in summary.cases), default=0)
    line = summary.found_against_true
    words = f"{len(summary.cases)} scans"
    if line.slope.value is not None and line.intercept is not None:
        words += f"; slope {said(line.slope)}, intercept {line.intercept:.1f}"
    if line.r_squared is not None:
        words += f", R2 {line.r_squared:.4f}"
    plot = Plot("Nodules found against true", words, linear("true", most), linear("found", most))
    end = linear("", most).high
    plot.dashes((0, 0), (end, end), FAINT)
    plot.words((0.7 * end, 0.7 * end), "found = true", FAINT, "rd", shift=(-12, -8))
    if line.slope.value is not None and line.intercept is not None:
        plot.line(_inside(line.slope.value, line.intercept, end), MIDDLE_BLUE, 3)
    for case in summary.cases:
        plot.dot((case.true, case.found), BLUE)
    return plot.png()


def _inside(slope: float, intercept: float, end: float) -> list[tuple[float, float]]:
    """The part of a line that lies on the paper."""
    xs = [0.0, end]
    if slope:
        xs += [x for y in (0.0, end) if 0 < (x := (y - intercept) / slope) < end]
    points = [(x, slope * x + intercept) for x in sorted(xs)]
    return [(x, y) for x, y in points if -1e-6 * end <= y <= end * (1 + 1e-6)]


def bins_png(title: str, bins: Sequence[Bin], by: str) -> bytes:
    """Sensitivity in each bin with its interval, hits and n."""
    ticks = tuple((float(number), _tick(one)) for number, one in enumerate(bins))
    total, hits = sum(one.sensitivity.n for one in bins), sum(one.hits for one in bins)
    x = Axis(name=by, low=-0.6, high=max(len(bins), 1) - 0.4, ticks=ticks)
    plot = Plot(
        title,
        f"{hits} of {total} nodules found; 95 % intervals",
        x,
        _shares(0.0),
        upright=False,
    )
    for number, one in enumerate(bins):
        _bar(plot, number, one)
    return plot.png()


def _tick(one: Bin) -> str:
    return f"{one.name.replace('_', ' ')}\n{one.hits} of {one.sensitivity.n}"


def _bar(plot: Plot, number: int, one: Bin) -> None:
    share = one.sensitivity
    if share.value is None:
        plot.words((number, 0), "none there", FAINT, "md", shift=(0, -8))
        return
    plot.bar(number, share.value, 0.3, MIDDLE_BLUE)
    top = share.value
    if share.low is not None and share.high is not None:
        plot.whisker(number, share.low, share.high, INK)
        top = share.high
    plot.words((number, top), f"{share.value:.3f}", INK, "md", shift=(0, -8))


def said(estimate: Estimate) -> str:
    """A figure with its interval, three figures behind the point."""
    if estimate.value is None:
        return f"- (n = {estimate.n})"
    ends = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{ends}"
