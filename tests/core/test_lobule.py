from __future__ import annotations

import pytest

from millet.core.lobule import FEWEST, distribution
from millet.core.shells import Shell
from millet.core.spread import Distribution

CONTACT, NEAR = 0.2, 0.3
"""Shares of chance."""


def judged(contact, near, nodules=200, *, fissures=True):
    """The distribution of shares found."""
    shells = [
        Shell(nodules=nodules, found=found, chance=chance)
        for found, chance in ((contact, CONTACT), (near, NEAR))
    ]
    return distribution(*shells, fissures=fissures)


@pytest.mark.parametrize(
    ("contact", "near", "expected"),
    [
        (0.60, 0.65, Distribution.PERILYMPHATIC),
        (0.20, 0.30, Distribution.RANDOM),
        (0.25, 0.34, Distribution.RANDOM),
        (0.08, 0.18, Distribution.RANDOM),
        (0.00, 0.01, Distribution.CENTRILOBULAR),
        (0.00, 0.08, Distribution.CENTRILOBULAR),
        (0.38, 0.48, Distribution.MIXED),
        (0.29, 0.31, Distribution.MIXED),
    ],
    ids=["on walls", "chance", "a little more", "fewer", "none near", "few near", "half drawn", "parted"],
)
def test_shares_of_the_walls_say_which(contact, near, expected):
    """Far more in contact than chance, far fewer near, something between, or neither."""
    assert judged(contact, near) is expected


def test_few_nodules_say_nothing():
    """Below the least number, or where there is no shell, or where few might be chance."""
    assert judged(0.6, 0.7, nodules=FEWEST - 1) is Distribution.UNDETERMINED
    nothing = Shell(nodules=200, found=0.0, chance=0.0)
    assert distribution(nothing, nothing, fissures=True) is Distribution.UNDETERMINED
    thin = Shell(nodules=FEWEST, found=0.0, chance=0.04)
    assert distribution(thin, thin, fissures=True) is Distribution.UNDETERMINED


def test_an_excess_that_may_be_chance_is_none():
    """The same shares are perilymphatic of 400 nodules, and nothing beyond doubt of 50."""
    assert judged(0.46, 0.5, nodules=400) is Distribution.PERILYMPHATIC
    assert judged(0.34, 0.42, nodules=50) is Distribution.RANDOM
    assert judged(0.36, 0.42, nodules=400) is Distribution.MIXED


def test_the_pleura_alone_says_less():
    """Without fissures even places are not told from perilymphatic ones; an empty shell still says much."""
    assert judged(0.2, 0.3, fissures=False) is Distribution.UNDETERMINED
    assert judged(0.08, 0.18, fissures=False) is Distribution.RANDOM
    assert judged(0.0, 0.01, fissures=False) is Distribution.CENTRILOBULAR
    assert judged(0.45, 0.5, fissures=False) is Distribution.PERILYMPHATIC
