import pytest

from millet.core.peer import Peer


@pytest.mark.parametrize(
    "text", ["PACS@127.0.0.1:104", "A B@host.example:65535", "A@B@host:1", "X@[::1]:4242"]
)
def test_a_peer_reads_back_what_it_writes(text: str) -> None:
    """The written form and the value are the same peer."""
    assert str(Peer.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PACS",
        "PACS@host",
        "host:104",
        "@host:104",
        "PACS@:104",
        "PACS@host:x",
        "PACS@host:65536",
        "P@h:²",
        "SEVENTEENLETTERSX@host:104",
        "PÄCS@host:104",
        "PACS@ho st:104",
        "PACS@ho..st:104",
        "PACS@ho\x00st:104",
        "   @host:104",
        "A\\B@host:104",
    ],
)
def test_another_form_is_refused(text: str) -> None:
    """What is not AET@HOST:PORT with a valid title and port is no peer."""
    with pytest.raises(ValueError):  # noqa: PT011 - the message differs with each mistake
        Peer.parse(text)
