"""Where in the secondary lobule nodules lie: random, centrilobular, perilymphatic, mixed, undetermined.

The walls of lobules that a mask shows are pleura and fissures. Nodules of the lymphatics sit on them, those
of the small airways keep some millimetres off, those of the blood know nothing of them (Gruden et al., AJR
162:1095, 1994; Webb, HRCT of the lung). A fixed share of nodules on the walls, such as the usual 10 %,
would depend on the size of the lungs; so shares are judged against those of chance in the same lungs.

Two shells decide: the one of contact (edge within `CONTACT_MM`) has far more nodules than chance in a
perilymphatic pattern, the one of `NEAR_MM` far fewer in a centrilobular one. What is neither, but has more
in contact than chance would, is mixed. Thresholds are proposals, chosen on the first simulator with an eye
on patterns that are even up to the pleura; no cohort is behind them. Without fissures the pleura alone is
seldom enough to tell random from perilymphatic, so less is said.
"""

from __future__ import annotations

from scipy.special import bdtr, bdtrc

from millet.core.shells import Shell
from millet.core.spread import Distribution

FEWEST = 50
CONTACT_MM = 1.0
PERILYMPHATIC_FROM = 2.4
"""Contact over chance."""
CENTRILOBULAR_BELOW = 0.3
"""Near over chance."""
RANDOM_NEAR = 0.6
"""The least near over chance that random nodules have: those that touch the pleura are not told from it."""
RANDOM_CONTACT = 1.3
"""The most contact over chance that random nodules have: a place of which part is outside counts for less."""
MIXED_FROM = 1.6
DOUBT = 0.01


def distribution(contact: Shell, near: Shell, *, fissures: bool) -> Distribution:
    """Judge the shells of the walls: pleura and fissures where `fissures`, else pleura alone."""
    if contact.nodules < FEWEST or contact.ratio is None or near.ratio is None:
        return Distribution.UNDETERMINED
    if contact.ratio >= PERILYMPHATIC_FROM and _more(contact, RANDOM_CONTACT):
        return Distribution.PERILYMPHATIC
    if near.ratio < CENTRILOBULAR_BELOW:
        sure = _fewer(near, RANDOM_NEAR)
        return Distribution.CENTRILOBULAR if sure else Distribution.UNDETERMINED
    if not fissures:
        told = _fewer(contact, RANDOM_CONTACT)
        return Distribution.RANDOM if told else Distribution.UNDETERMINED
    if contact.ratio >= MIXED_FROM and _more(contact, RANDOM_CONTACT):
        return Distribution.MIXED
    return Distribution.RANDOM


def _more(shell: Shell, times: float) -> bool:
    """Whether more are there than so many times chance would put there."""
    found = round(shell.found * shell.nodules)
    return bool(bdtrc(found - 1, shell.nodules, min(times * shell.chance, 1.0)) < DOUBT)


def _fewer(shell: Shell, times: float) -> bool:
    found = round(shell.found * shell.nodules)
    return bool(bdtr(found, shell.nodules, min(times * shell.chance, 1.0)) < DOUBT)
