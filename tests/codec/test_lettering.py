import numpy as np
import pytest

from millet.codec.lettering import Lettering, lines, put, ring
from millet.core.language import Language

BLUE = (0, 0, 255)
PLAIN = dict(zip("äöüÄÖÜß", "aouAOUs", strict=True))


def _blank(rows=60, columns=80, grey=90):
    return np.full((3, rows, columns), grey, np.uint8)


@pytest.mark.parametrize("radius", [3, 8, 20])
def test_a_ring_goes_round_its_centre(radius):
    """Closed, of one radius, nothing within it."""
    picture = _blank()
    ring(picture, np.asarray([[30.0, 40.0]]), radius, BLUE)
    drawn = np.argwhere((picture == np.reshape(BLUE, (3, 1, 1))).all(axis=0)) - (30, 40)
    assert np.abs(np.hypot(*drawn.T) - radius).max() < 0.75
    turns = np.sort(np.arctan2(*drawn.T))
    assert np.diff(turns).max() < 1.6 / radius


def test_rings_that_leave_the_picture_are_cut():
    """At each edge and far beyond; what is drawn is what a larger picture has there."""
    centres = np.asarray([[0, 5], [59, 40], [30, 79], [2, 2], [-300, 20], [30, 4000.0], [20, 33]])
    picture, larger = _blank(), _blank(160, 180)
    ring(picture, centres, 6, BLUE)
    ring(larger, centres + 50, 6, BLUE)
    assert np.array_equal(picture, larger[:, 50:110, 50:130])


def test_words_stand_in_the_middle_with_a_dark_rim():
    """Legible on white as on black."""
    picture = _blank(grey=255)
    put(picture, "LP", (30, 40), Lettering(20))
    middle = np.argwhere((picture < 255).any(axis=0)).mean(axis=0)
    assert middle == pytest.approx((30, 40), abs=1.5)
    assert (picture == 0).all(axis=0).sum() > 50
    assert (picture == 235).all(axis=0).sum() > 20


def test_words_are_moved_inwards_or_left_out():
    """Never cut; a picture too small for them stays as it was."""
    picture = _blank()
    put(picture, "LP", (0, 79), Lettering(20))
    whole = _blank()
    put(whole, "LP", (30, 40), Lettering(20))
    assert (picture == 0).sum() == (whole == 0).sum()
    small = _blank(5, 5)
    put(small, "LP", (2, 2), Lettering(20))
    assert (small == 90).all()


def test_a_sentence_is_broken_where_a_line_is_full():
    """Nothing is cut off at the right, however narrow the picture is."""
    for width in (120, 300):
        sheet = lines((_SENTENCE, "Short."), width, Lettering(11))
        assert sheet.shape[2] == width
        assert not sheet[..., -4:].any()
    heights = [lines((said,), width, Lettering(11)).shape[1] for said, width in _BROKEN]
    assert heights[0] > heights[1] > heights[2]


_SENTENCE = "Not assessed: lymph nodes, bones and upper abdomen, airways."
_BROKEN = ((_SENTENCE, 120), (_SENTENCE, 300), ("Short.", 300))


@pytest.mark.parametrize("letter", "äöüÄÖÜß")
def test_german_has_its_letters(letter):
    """Each is drawn as itself, neither as a box nor without its dots."""
    font = Lettering(20, Language.GERMAN).font
    drawn, missing, plain = (bytes(font.getmask(one)) for one in (letter, "\uffff", PLAIN[letter]))
    assert drawn not in {missing, plain}
