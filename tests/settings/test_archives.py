from __future__ import annotations

from pathlib import Path

import pytest

from millet.errors import SettingsError
from millet.settings import ArchiveSection, load


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
        ({"priors": True, "retrieve": "move"}, "not by move"),
        ({"prior_images": True}, "needs priors"),
        ({"priors_s": 0.0}, "priors_s"),
        ({**WEB, "to": "vna.example"}, "http"),
        ({**WEB, "tls": False}, "https://"),
        ({**WEB, "to": "https://u:p@x"}, "of the form"),
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
