"""Guidelines: the golden cases, exams that nobody may call quiet, and what advice costs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from table import Row

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from golden_advice import cases, exam_of
from random_exams import dangerous, quiet

from millet.core.guidelines import advise

EXAMS = 10_000
LEAST_CASES = 200
SEED = 6


def rows() -> list[Row]:
    """Golden share, exams of which something quiet is said, and the time for 2,000 nodules."""
    golden = list(cases())
    right = sum(not case.fault() for case in golden)
    loud = sum(bool(quiet(exam)) for exam in dangerous(EXAMS, SEED))
    exam = exam_of("2000x stable solid 3", "screening=yes level=0 cancer=?")
    advise(exam)
    before_s = time.process_time()
    advise(exam)
    cost_s = time.process_time() - before_s
    return [
        Row(
            name="golden cases, with their sources",
            unit="",
            value=len(golden),
            target=LEAST_CASES,
            higher_is_better=True,
        ),
        Row(
            name="Lung-RADS, Fleischner, BTS, Brock, RECIST: golden cases right",
            unit="share",
            value=right / len(golden),
            n=len(golden),
            target=1.0,
            higher_is_better=True,
        ),
        Row(
            name="exams at level >= 1, with a known cancer or out of domain, called quiet",
            unit="",
            value=loud,
            n=EXAMS,
            target=0,
        ),
        Row(name="advice of all guidelines, 2,000 nodules, processor time", unit="s", value=cost_s),
    ]
