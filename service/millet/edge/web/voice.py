"""The page's own words, in the language of the service: marks, dates, figures and short sentences.

No word here tells a reader that a study is free of disease: an unflagged one is "to be read in turn".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from millet.core import best_wording
from millet.core.analysis import Outcome, TriageLevel
from millet.core.job import State
from millet.core.language import DECIMAL_MARKS, PHRASES, Language, named, say
from millet.core.nodule import Nodule
from millet.core.wording import words
from millet.ports import SeriesStatus

SCRIPTS = ("page.script.", "page.class.", "page.type.", "fate.")
"""How keys begin of what the scripts of a page say."""


class Look(NamedTuple):
    """A mark's frame and colour, and its sign."""

    style: str
    sign: str


LEVELS: Mapping[TriageLevel, Look] = MappingProxyType(
    {
        TriageLevel.CRITICAL: Look("critical", "▲▲"),
        TriageLevel.URGENT: Look("urgent", "▲"),
        TriageLevel.NOTABLE: Look("notable", "●"),
        TriageLevel.UNFLAGGED: Look("unflagged", "○"),
        TriageLevel.NOT_ASSESSED: Look("refused", "✕"),
    }
)
PENDING: Mapping[str, Look] = MappingProxyType(
    {
        State.RECEIVING: Look("pending", "↓"),
        State.QUEUED: Look("pending", "…"),
        State.ANALYSING: Look("pending", "◐"),
        State.PARKED: Look("failed", "!"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A mark that says the same by word, sign and colour."""

    style: str
    sign: str
    label: str
    hint: str


@dataclass(frozen=True, slots=True)
class Voice:
    """What is said, in one language."""

    language: Language = Language.ENGLISH

    def t(self, key: str, /, **parts: object) -> str:
        """A phrase of the page's own."""
        return say(self.language, f"page.{key}", **parts)

    def scripts(self) -> Mapping[str, str]:
        """What the page's scripts say, by key; a number goes where braces name it."""
        table = PHRASES[self.language]
        said = {key: text for key, text in table.items() if key.startswith(SCRIPTS)}
        return {key.removeprefix("page.").removeprefix("script."): text for key, text in said.items()}

    def number(self, value: float, spec: str) -> str:
        """A figure with the decimal mark of the language."""
        return format(value, spec).replace(".", DECIMAL_MARKS[self.language])

    def marks(self, status: SeriesStatus) -> tuple[Badge, ...]:
        """What a series is marked with, the weightiest first.

        One that ended has its triage level. One in work has its state; if late instances re-opened it, the
        level of what was already analysed stands before that, so that an alarm never goes out by itself.
        """
        if status.state not in PENDING:
            return (self.level(status.triage or TriageLevel.NOT_ASSESSED),)
        in_work = self._badge(f"state.{status.state}", PENDING[status.state])
        judged = status.triage not in {None, TriageLevel.NOT_ASSESSED}
        return (self.level(TriageLevel(status.triage or "")), in_work) if judged else (in_work,)

    def level(self, level: TriageLevel) -> Badge:
        """The mark of a level."""
        return self._badge(f"level.{level}", LEVELS[level])

    def day(self, date_da: str) -> str:
        """A DICOM date (DA) as the language writes one; what is no such date stays as it is."""
        whole = len(date_da) == 8 and date_da.isascii() and date_da.isdigit()
        if not whole:
            return date_da
        return self.t("date", year=date_da[:4], month=date_da[4:6], day=date_da[6:])

    def minute(self, moment_utc: datetime) -> str:
        """A time for people, in UTC."""
        return f"{self.day(moment_utc.strftime('%Y%m%d'))} {moment_utc:%H:%M}"

    def findings(self, status: SeriesStatus) -> str:
        """One short sentence for the worklist's row."""
        found = self._found(status)
        if status.triage_before is None:
            return found
        level = self.level(status.triage_before).label.lower()
        return self.t("findings.before", found=found, level=level)

    def standing(self, status: SeriesStatus) -> str:
        """Where a series stands in its study, and by which rule."""
        return best_wording.told(status.best_reason, self.language)

    def reports(self, status: SeriesStatus) -> str:
        """Where the reports of the newest analysis are."""
        if status.outcome is None:
            return self.t("reports.none")
        if status.deliveries_pending:
            return self.t("to-deliver", count=status.deliveries_pending)
        missed = status.deliveries_dead or status.deliveries_dismissed
        return self.t("reports.not-all") if missed else self.t("reports.delivered")

    def where(self, nodule: Nodule) -> str:
        """Lobe, or side and zone where the fissures do not tell it."""
        side = self.t(f"side.{nodule.side}")
        if nodule.character is None:
            return side
        if nodule.character.lobe is not None:
            return self.t(f"lobe.{nodule.character.lobe}")
        return self.t("where.zone", side=side, zone=self.t(f"zone.{nodule.character.zone}"))

    def named(self, kind: str, code: str) -> str:
        """A code in words, where the language has any for it."""
        return named(self.language, kind, code)

    def coded(self, kind: str, code: str) -> str:
        """The same of a code that is to be read as words in any case."""
        words = self.named(kind, code)
        return code.replace("-", " ") if words == code else words

    def all(self, kind: str, codes: Iterable[str]) -> str:
        """Several codes in words."""
        return ", ".join(self.named(kind, str(one)) for one in codes)

    def _badge(self, key: str, look: Look) -> Badge:
        return Badge(style=look.style, sign=look.sign, label=self.t(key), hint=self.t(f"{key}.hint"))

    def _found(self, status: SeriesStatus) -> str:
        if status.reason_code:
            return words(status.reason_code, self.language)
        if status.nodules is None:
            return self._so_far(status)
        if status.outcome is Outcome.JUDGED:
            return self.t("findings.judged")
        one = {0: "findings.none", 1: "findings.one"}.get(status.nodules, "findings.some")
        count = self.t(one, count=status.nodules)
        return self.t("findings.doubted", found=count) if status.count_reliable is False else count

    def _so_far(self, status: SeriesStatus) -> str:
        """How far a series without an analysis has come."""
        parts = []
        if status.state == State.RECEIVING:
            parts.append(self.t("so-far.instances", count=status.instances))
        if status.windows_total:
            parts.append(self.t("so-far.windows", done=status.windows_done, total=status.windows_total))
        return ", ".join(parts)
