"""What an analysis says in words, in its own language.

Until then its texts are phrases (`core.language`), and rules compare and join them in English; behind this
they are plain text, which the journal and gRPC keep; the reasons of a triage level still know their keys.
"""

from __future__ import annotations

from dataclasses import replace

from millet.core.analysis import Analysis
from millet.core.language import Phrase, said


def worded(analysis: Analysis) -> Analysis:
    """The same analysis, each of its texts in its language."""

    def words(text: str) -> str:
        return said(text, analysis.language)

    def keyed(text: str) -> str:
        if not isinstance(text, Phrase):
            return str(text)
        made = Phrase(words(text))
        made.key, made.parts = text.key, text.parts
        return made

    doubts = analysis.reliability
    return replace(
        analysis,
        remarks=tuple(replace(one, detail=words(one.detail)) for one in analysis.remarks),
        volumes=tuple(replace(one, label=words(one.label), why=words(one.why)) for one in analysis.volumes),
        triage=replace(analysis.triage, reasons=tuple(map(keyed, analysis.triage.reasons))),
        not_assessed=tuple(map(words, analysis.not_assessed)),
        reliability=replace(doubts, second_reader=words(doubts.second_reader)) if doubts else None,
        provenance=replace(analysis.provenance, calibration=words(analysis.provenance.calibration)),
        judgements=tuple(
            replace(
                one,
                source=words(one.source),
                meaning=words(one.meaning),
                not_evaluated=words(one.not_evaluated),
            )
            for one in analysis.judgements
        ),
    )
