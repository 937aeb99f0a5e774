"""What a line of the worklist says in words."""

from __future__ import annotations

import pytest
from analyses import analysis
from sites import Site, page_of
from worklists import status

from millet.core.language import Language
from millet.edge.grpc_api.listing import status_to_wire
from millet.edge.web.voice import Voice


@pytest.mark.parametrize(
    ("language", "words"),
    [(Language.ENGLISH, "Tilted gantry"), (Language.GERMAN, "Gekippte Gantry")],
    ids=str,
)
def test_why_a_series_was_not_analysed_is_told_in_the_language_of_the_service(language, words):
    """On the page and over gRPC alike; the code stays."""
    line = status(1, reason_code="gantry-tilt", state="not-analysed", language=language)
    assert Voice(language).findings(line) == words
    told = status_to_wire(line)
    assert (told.reason_code, told.reason_text) == ("gantry-tilt", words)


@pytest.mark.parametrize(
    ("language", "words"),
    [(Language.ENGLISH, "best of 2: thin slices"), (Language.GERMAN, "die beste von 2: dünne Schichten")],
    ids=str,
)
def test_where_a_series_stands_in_its_study_is_told_in_the_language_of_the_page(language, words):
    """What the journal keeps is English; over gRPC, where programs read it, it stays so."""
    site = Site()
    line = status(1, best_series_uid="1.2.826.0.1.1", best_reason="best of 2: thin slices", language=language)
    site.put(line, analysis(2))
    site.start(voice=Voice(language))
    try:
        assert f"<dd>{words}</dd>" in site.get(page_of(line)).text
    finally:
        site.stop()
    assert status_to_wire(line).best_reason == "best of 2: thin slices"
