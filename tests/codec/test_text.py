from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from millet.codec.text import decode

CHARSETS = Path(str(pydicom.__file__)).parent / "data" / "charset_files"
NAMES = {
    "none": (b"Smith^John", "", "Smith^John"),
    "Latin-1": ("Müller^Jörg".encode("latin_1"), "ISO_IR 100", "Müller^Jörg"),
    "Latin-1, misspelt": ("Müller".encode("latin_1"), "ISO-IR 100", "Müller"),
    "UTF-8": ("Wang^XiaoDong=王^小東".encode(), "ISO_IR 192", "Wang^XiaoDong=王^小東"),
    "GB18030": ("Wang=王^小东".encode("gb18030"), "GB18030", "Wang=王^小东"),
    "Japanese": (
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
        "\\ISO 2022 IR 87",
        "Yamada^Tarou=山田^太郎",
    ),
    "Korean": (
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
        "\\ISO 2022 IR 149",
        "Hong^Gildong=洪^吉洞",
    ),
    "undeclared UTF-8": ("Müller".encode(), "", "Müller"),
    "declared wrong": ("Müller".encode(), "ISO_IR 6", "Müller"),
    "unknown term": (b"Smith", "KLINGON", "Smith"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_are_decoded(case: str) -> None:
    """A name comes out as it was written, in each character set."""
    value, character_set, name = NAMES[case]
    assert decode(value, character_set) == (name, False)


@pytest.mark.parametrize("character_set", ["", "ISO_IR 192", "GB18030", "\\ISO 2022 IR 87", "nonsense"])
def test_what_cannot_be_decoded_is_flagged(character_set: str) -> None:
    """Bytes of no character set are replaced and flagged; the rest of the name stays."""
    found = decode(b"A\xff\xfe\xff^\x1b$Z", character_set)
    assert found.undecodable
    assert found.value.startswith("A\N{REPLACEMENT CHARACTER}")


@pytest.mark.filterwarnings("ignore")  # pydicom warns; ours must agree with it all the same
@pytest.mark.parametrize("path", sorted(CHARSETS.glob("chr[!S]*.dcm")), ids=lambda path: path.name)
def test_pydicom_agrees(path: Path) -> None:
    """On the Standard's own examples the outcome is pydicom's."""
    dataset = pydicom.dcmread(path)
    raw = dataset.get_item("PatientName")
    if raw is None or not isinstance(raw.value, bytes):
        pytest.fail("the example has no name")
    declared = dataset.get("SpecificCharacterSet") or ""
    terms = declared if isinstance(declared, str) else "\\".join(declared)
    assert decode(raw.value, terms).value.rstrip("=") == str(dataset.PatientName)
