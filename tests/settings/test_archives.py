from __future__ import annotations

from pathlib import Path

import pytest

from millet.errors import SettingsError
from millet.settings import ArchiveSection, load
from millet.settings.security import rules


def section(**facts) -> ArchiveSection:
    """An archive over DIMSE, with changes."""
    return ArchiveSection(**{"name": "pacs", "kind": "dimse", "to": "PACS@10.0.0.5:104", **facts})


WEB = {"kind": "dicomweb", "to": "https://vna.example/dicom-web"}


def test_archives_are_read_from_the_file_and_from_the_environment(tmp_path):
    """As tables in the one, as inline tables in the other."""
    file = tmp_path / "millet.toml"
    file.write_text(
        '[[archive]]\nname = "pacs"\nkind = "dimse"\nto = "PACS@10.0.0.5:104"\n'
        'retrieve = "move"\ntls = false\n'
        '[[archive]]\nname = "vna"\nkind = "dicomweb"\nto = "https://vna.example/dicom-web"\n'
        'roots = "/ca.pem"\n'
    )
    first, second = load({}, file).archive
    assert (first.name, first.peer.port, first.way, first.tls) == ("pacs", 104, "move", False)
    assert (second.way, second.roots) == ("wado", Path("/ca.pem"))
    (one,) = load({"MILLET_ARCHIVE": '[{name = "x", kind = "dimse", to = "X@h:1"}]'}, None).archive
    assert one == section(name="x", to="X@h:1")
    assert one.way == "get"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"name": " "}, "short text"),
        ({"kind": "ftp"}, "none of dimse, dicomweb"),
        ({"to": "PACS:104"}, "AET@HOST:PORT"),
        ({"retrieve": "wado"}, "dimse offers get and move"),
        ({"move_to": "A" * 17}, "longer than 16"),
        ({"certificate": Path("a")}, "belong together"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"timeout_s": 10.0, "limit_s": 5.0}, "timeout_s"),
        ({"token_file": Path("t")}, "for dicomweb"),
        ({"priors": True, "retrieve": "move"}, "need priors_to"),
        ({"priors": True, "priors_to": "PRIORS"}, "for priors by move"),
        ({"retrieve": "move", "priors_to": "PRIORS"}, "for priors by move"),
        ({"priors": True, "retrieve": "move", "priors_to": "A" * 17}, "longer than 16"),
        ({"prior_images": True}, "needs priors"),
        ({"priors_s": 0.0}, "priors_s"),
        ({"priors_s": 1801.0}, "not above 1800"),
        ({**WEB, "to": "vna.example"}, "http"),
        ({**WEB, "tls": False}, "https://"),
        ({**WEB, "to": "https://u:p@x"}, "of the form"),
        ({**WEB, "to": "https://x:99999"}, "of the form"),
        ({**WEB, "to": "https://x:port"}, "of the form"),
        ({**WEB, "to": "https://[x"}, "of the form"),
        ({**WEB, "to": "https://x..y"}, "of the form"),
        ({**WEB, "to": "https://x y/"}, "of the form"),
        ({**WEB, "to": "https://x/y z"}, "of the form"),
        ({"to": "PACS@x..y:104"}, "no host"),
        ({**WEB, "retrieve": "get"}, "dicomweb offers wado"),
    ],
)
def test_a_mistake_is_named(facts, said):
    """Each in words."""
    with pytest.raises(ValueError, match=said):
        section(**facts)


def test_each_archive_has_a_name_of_its_own():
    """Or nobody knows who is meant."""
    twice = '[{name = "x", kind = "dimse", to = "X@h:1"}, {name = "x", kind = "dimse", to = "Y@h:1"}]'
    with pytest.raises(SettingsError, match="x: each needs a name of its own"):
        load({"MILLET_ARCHIVE": twice}, None)


def test_one_archive_completes_series():
    """Two might tell two numbers."""
    both = [f'{{name = "{n}", kind = "dimse", to = "{n}@h:1", completes = true}}' for n in ("X", "Y")]
    with pytest.raises(SettingsError, match="X, Y: one archive completes series"):
        load({"MILLET_ARCHIVE": f"[{', '.join(both)}]"}, None)


def moving(**facts):
    """Settings with archives that send priors to one title."""
    own = 'kind = "dimse", retrieve = "move", priors = true, priors_to = "PRIORS", move_to = "EXAMS"'
    both = ", ".join(f'{{name = "{n}", to = "{n}@h:1", {own}}}' for n in "XY")
    return load({"MILLET_ARCHIVE": f"[{both}]", **facts}, None)


def test_at_the_title_of_priors_nothing_else_is_taken():
    """Several archives may send there; every other title is as it was."""
    judged = rules(moving())
    assert [judged.fetches(title) for title in ("PRIORS", "EXAMS", "MILLET")] == [True, False, False]
    judged = rules(moving(MILLET_CALLED='[{ae_title = "EXAMS"}]'))
    assert [judged.of(title) is None for title in ("PRIORS", "EXAMS", "MILLET")] == [False, False, True]


@pytest.mark.parametrize(
    "facts",
    [
        {"MILLET_AE_TITLE": "PRIORS"},
        {"MILLET_CALLED": '[{ae_title = "PRIORS"}]'},
        {
            "MILLET_ARCHIVE": '[{name = "x", kind = "dimse", to = "X@h:1", retrieve = "move", '
            'move_to = "PRIORS", priors = true, priors_to = "PRIORS"}]'
        },
    ],
    ids=["ae_title", "called", "move_to"],
)
def test_the_title_of_priors_is_none_of_exams(facts):
    """Or exams would be refused there, or priors triaged."""
    with pytest.raises(SettingsError, match="PRIORS"):
        moving(**facts)
