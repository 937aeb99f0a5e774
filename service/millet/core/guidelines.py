"""What the guidelines say of an exam: all of them are asked, and each says why where it does not apply.

    Lung-RADS v2022    screening            a miliary pattern is category 0 or 4B, with S
    Fleischner 2017    found by chance      from 35 years on; no cancer, no immunosuppression
    BTS 2015           either               adults; Brock decides from 8 mm on
    Brock 2013         one nodule           50 to 75 years, ten nodules, first scan
    RECIST 1.1         a known cancer       a miliary pattern is non-target disease

None is asked outside the validated use, the last one alone with a known cancer. So there is no path from
a pattern level of 1 or more, from a known cancer, or from outside a model's domain to a quiet advice.
"""

from __future__ import annotations

from millet.core import brock, bts, fleischner, lung_rads, recist
from millet.core.advice import Advice
from millet.core.subject import Subject


def advise(exam: Subject) -> tuple[Advice, ...]:
    """One advice of each guideline, in the order of the table."""
    judges = (lung_rads.judge, fleischner.judge, bts.judge, brock.judge, recist.judge)
    return tuple(judge(exam) for judge in judges)
