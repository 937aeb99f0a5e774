"""What a destination answered, as success or as a `DeliveryError`; its own words may name a patient."""

from __future__ import annotations

from millet.core.refusal import Verdict
from millet.errors import DeliveryError


def judge(verdict: Verdict, answer: str, after_s: float = 0.0) -> None:
    """Raise what a verdict on an answer means; nothing for what was taken."""
    if verdict is not Verdict.TAKEN:
        raise DeliveryError(
            f"the destination answered {answer}",
            retryable=verdict is not Verdict.NEVER,
            away=verdict is Verdict.AWAY,
            after_s=after_s,
        )


def away(why: str) -> DeliveryError:
    """The destination cannot be reached or will not talk to us, whatever the object."""
    return DeliveryError(f"the destination {why}", retryable=True, away=True)


def broken(why: str) -> DeliveryError:
    """The destination was reached, and this delivery failed on the way."""
    return DeliveryError(f"the destination {why}", retryable=True)
