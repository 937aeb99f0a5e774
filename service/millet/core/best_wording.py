"""Where a series stands in its study, in words: kept in English, told in the language of who reads it.

What is kept is one of few sentences, made here and known again here; so lines that were kept before are told
in any language, too.
"""

from __future__ import annotations

from millet.core.language import Language, say
from millet.core.wording import words

RULES = ("fit", "lungs", "coverage", "original", "thin", "kernel", "thinner", "slices", "uid")
"""What the better one has, in the order of the rules of `core.best`."""


def won(fit: int, rule: int) -> str:
    """Of the best one: of how many that are fit, and by which rule."""
    return say(Language.ENGLISH, "best.of", count=fit, why=_rule(RULES[rule], Language.ENGLISH))


def only() -> str:
    """Of the one that is fit."""
    return say(Language.ENGLISH, "best.only")


def lost(rule: int) -> str:
    """Of another one: what the best one has before it."""
    return say(Language.ENGLISH, "best.before", why=_rule(RULES[rule], Language.ENGLISH))


def unfit(refusal: str) -> str:
    """Of one that is refused, by the code of the reason."""
    return say(Language.ENGLISH, "best.unfit", why=refusal)


def told(kept: str, language: Language) -> str:
    """A sentence that was kept, in a language; one that is none of ours stays as it is."""
    head, _, why = kept.partition(": ")
    of, _, count = head.rpartition(" ")
    key = "of" if of == "best of" and count.isdecimal() else _HEADS.get(head)
    if key is None:
        return kept
    in_words = _rule(_KEYS[why], language) if why in _KEYS else words(why, language)
    return say(language, f"best.{key}", count=count, why=in_words)


def _rule(name: str, language: Language) -> str:
    return say(language, f"best.rule.{name}")


_HEADS = {only(): "only", "the best one": "before", "not fit": "unfit"}
_KEYS = {_rule(name, Language.ENGLISH): name for name in RULES}
