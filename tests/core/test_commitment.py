from __future__ import annotations

import pytest

from millet.core.commitment import CLASS_CONFLICT, NO_SUCH_INSTANCE, Reference, Request, is_ripe, judged

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ASKED = Request(transaction_uid="1.9", references=tuple(Reference(CT, f"1.{n}") for n in (1, 2, 3)))


def test_what_is_kept_is_promised_and_of_the_rest_is_said_why():
    """Not there, or there as something else."""
    verdict = judged(ASKED, {"1.1": CT, "1.2": MR, "1.7": CT})
    assert verdict.kept == (Reference(CT, "1.1"),)
    assert verdict.failed == (
        (Reference(CT, "1.2"), CLASS_CONFLICT),
        (Reference(CT, "1.3"), NO_SUCH_INSTANCE),
    )


@pytest.mark.parametrize(
    ("kept", "age_s", "ripe"),
    [(3, 0.0, True), (2, 0.0, False), (2, 29.9, False), (2, 30.0, True), (0, 31.0, True)],
)
def test_bad_news_waits_good_news_does_not(kept, age_s, ripe):
    """An instance that was acknowledged may be in the journal a moment later."""
    verdict = judged(ASKED, {f"1.{n}": CT for n in range(1, kept + 1)})
    assert is_ripe(verdict, age_s, grace_s=30.0) is ripe
