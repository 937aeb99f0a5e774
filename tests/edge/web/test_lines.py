"""What a line of the worklist says in words."""

from __future__ import annotations

import pytest
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
