"""Where in the secondary lobule nodules lie: random, centrilobular, perilymphatic, mixed, undetermined.

The walls of lobules that a mask shows are pleura and fissures. Nodules of the lymphatics sit on them, those
of the small airways keep some millimetres off, those of the blood know nothing of them (Gruden et al., AJR
162:1095, 1994; Webb, HRCT of the lung). A fixed share of nodules on the walls, such as the usual 10 %,
would depend on the size of the lungs; so shares are judged against those of chance in the same lungs.

Two shells decide. In contact (edge within `CONTACT_MM`) a perilymphatic pattern has an excess: the share of
all nodules that must be drawn to the walls to explain what is found there. Near them a centrilobular one
has far fewer than chance. In between it is mixed where there is some excess, or some contact with a gap
behind it; else random. Thresholds are proposals, chosen on the first simulator; no cohort is behind them.
Without fissures the pleura alone seldom tells random from perilymphatic, so less is said.
"""

from __future__ import annotations

from scipy.special import bdtr, bdtrc

from millet.core.shells import Shell
from millet.core.spread import Distribution

FEWEST = 50
CONTACT_MM = 2.0
PERILYMPHATIC_FROM, MIXED_FROM = 0.28, 0.14
"""Excess on the walls. A half of all drawn there is usual; a mix of two equal halves has a fourth."""
PLEURAL_FROM = 0.14
"""Excess on the pleura that makes a pattern perilymphatic where fissures are not known."""
CENTRILOBULAR_BELOW = 0.3
"""Near over chance."""
GAP_BELOW, GAP_CONTACT = 0.65, 1.2
"""Mixed, too: between contact and near less than this times chance, in contact more than that."""
RANDOM_NEAR = 0.6
"""The least near over chance that random nodules have: those that touch the pleura are found less often."""
RANDOM_CONTACT = 1.2
"""The most contact over chance that random nodules have: a place that is half outside counts as none."""
DOUBT = 0.01
"""Probability of chance, of what has to be beyond doubt."""


def distribution(contact: Shell, near: Shell, *, fissures: bool) -> Distribution:
    """Judge the shells of the walls: pleura and fissures where `fissures`, else pleura alone."""
    if contact.nodules < FEWEST or near.ratio is None:
        return Distribution.UNDETERMINED
    drawn = _excess(contact) if _more(contact) else 0.0
    if drawn >= (PERILYMPHATIC_FROM if fissures else PLEURAL_FROM):
        return Distribution.PERILYMPHATIC
    if near.ratio < CENTRILOBULAR_BELOW:
        sure = _fewer(near, RANDOM_NEAR)
        return Distribution.CENTRILOBULAR if sure else Distribution.UNDETERMINED
    if not fissures:
        told = _fewer(contact, RANDOM_CONTACT)
        return Distribution.RANDOM if told else Distribution.UNDETERMINED
    return Distribution.MIXED if drawn >= MIXED_FROM or _parted(contact, near) else Distribution.RANDOM


def _excess(contact: Shell) -> float:
    """The share of all nodules that is drawn to the walls, were the others random."""
    chance = min(RANDOM_CONTACT * contact.chance, 0.99)
    return (contact.found - chance) / (1 - chance)


def _parted(contact: Shell, near: Shell) -> bool:
    """Whether nodules on the walls are parted from the others by a gap."""
    gap = Shell(nodules=near.nodules, found=near.found - contact.found, chance=near.chance - contact.chance)
    open_ = gap.ratio is not None and gap.ratio < GAP_BELOW and _fewer(gap, 1.0)
    return open_ and contact.ratio is not None and contact.ratio > GAP_CONTACT


def _more(shell: Shell) -> bool:
    """Whether more are in contact than random nodules can be."""
    found = round(shell.found * shell.nodules)
    return bool(bdtrc(found - 1, shell.nodules, min(RANDOM_CONTACT * shell.chance, 1.0)) < DOUBT)


def _fewer(shell: Shell, times: float) -> bool:
    """Whether fewer are there than so many times chance."""
    found = round(shell.found * shell.nodules)
    return bool(bdtr(found, shell.nodules, min(times * shell.chance, 1.0)) < DOUBT)
