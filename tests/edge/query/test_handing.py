from __future__ import annotations

import shutil
import subprocess

import pytest
from archives import CT, WireArchive, file_of
from instances import ct_dataset, ct_file, received
from pydicom.uid import JPEGLSLossless, MRImageStorage
from pynetdicom import AE, evt

from millet.core.peer import Peer
from millet.edge.query import Caller, ClientTls, DimseArchive, Handing, Limits
from millet.errors import ArchiveError, RefusedInstance, StoreError
from millet.ports import SeriesQuery

LIMITS = Limits(connect_s=5.0, answer_s=5.0)


class Service:
    """A receiver that keeps bytes, and answers with a status."""

    def __init__(self) -> None:
        self.kept, self.status, self.released = [], 0x0000, []
        entity = AE(ae_title="MILLET")
        entity.add_supported_context(CT, [*ct_syntaxes(), JPEGLSLossless])
        handlers = [(evt.EVT_C_STORE, self._stored), (evt.EVT_RELEASED, self.released.append)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        peer = Peer(ae_title="MILLET", host="127.0.0.1", port=self.server.server_address[1])
        self.caller = Caller(peer=peer, calling_ae="MILLET", limits=LIMITS)

    def _stored(self, event):
        self.kept.append((str(event.context.transfer_syntax), event.request.DataSet.getvalue()))
        return self.status


def ct_syntaxes() -> list[str]:
    """What a CT is made in here."""
    return [str(ct_dataset(1).file_meta.TransferSyntaxUID)]


@pytest.fixture
def service():
    """A listening one."""
    made = Service()
    yield made
    made.server.shutdown()


def data_set(encoded: bytes) -> bytes:
    """Behind the file meta information."""
    return encoded[encoded.index(b"\x08\x00\x05\x00CS") :]


def test_instances_are_handed_over_byte_for_byte(service):
    """All over one association, which ends with the source; the next source has its own."""
    handing = Handing(service.caller, [CT])
    odd = ct_dataset(2)
    odd.file_meta.TransferSyntaxUID = JPEGLSLossless
    odd.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0no J\xfe\xff\xdd\xe0\0\0\0\0"
    odd["PixelData"].VR = "OB"
    odd["PixelData"].is_undefined_length = True
    for number, encoded in ((1, ct_file(1)), (2, file_of(odd))):
        handing.admit(received(number, encoded), 0)
    handing.ended(0)
    assert service.kept == [
        (ct_syntaxes()[0], data_set(ct_file(1))),
        (str(JPEGLSLossless), data_set(file_of(odd))),
    ]
    handing.admit(received(3), 0)
    handing.ended(0)
    assert len(service.released) == 2


def test_what_the_service_does_not_take_is_refused(service):
    """With its status; a kind of instance that it does not offer, with 0x0122; and it goes on."""
    handing = Handing(service.caller, [CT])
    service.status = 0xA700
    with pytest.raises(RefusedInstance, match="0xA700") as refused:
        handing.admit(received(1), 0)
    assert refused.value.status == 0xA700
    with pytest.raises(RefusedInstance) as refused:
        handing.admit(received(2, file_of(ct_dataset(2, sop_class=MRImageStorage))), 0)
    assert refused.value.status == 0x0122
    service.status = 0x0000
    handing.admit(received(3), 0)
    handing.ended(0)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # pynetdicom's, when refused
def test_a_service_that_does_not_run_takes_nothing():
    """It is said, and nothing is lost: the archive has it still."""
    nobody = Caller(peer=Peer(ae_title="X", host="127.0.0.1", port=1), calling_ae="MILLET", limits=LIMITS)
    handing = Handing(nobody, [CT])
    with pytest.raises(StoreError, match="cannot be reached"):
        handing.admit(received(1), 0)
    handing.ended(0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A certificate for 127.0.0.1 that signs itself, made by openssl."""
    folder = tmp_path_factory.mktemp("tls")
    assert shutil.which("openssl")
    subject = ["-subj", "/CN=archive", "-addext", "subjectAltName=IP:127.0.0.1"]
    paths = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *paths]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_an_archive_is_asked_over_tls(files):
    """One whose certificate we can verify; another is not asked at all."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "cert.pem", files / "key.pem")
    wire = WireArchive(context)
    caller = Caller(
        peer=wire.peer, calling_ae="MILLET", limits=LIMITS, tls=ClientTls(roots=files / "cert.pem")
    )
    study = SeriesQuery(study_uid=ct_dataset(1).StudyInstanceUID)
    assert len(DimseArchive(caller, [CT], "here", None).find_series(study)) == 1
    unknown = Caller(peer=wire.peer, calling_ae="MILLET", limits=LIMITS, tls=ClientTls())
    with pytest.raises(ArchiveError, match="cannot be reached"):
        DimseArchive(unknown, [CT], "here", None).find_series(study)
    wire.stop()
    with pytest.raises(ArchiveError, match="TLS file"):
        ClientTls(roots=files / "none.pem")()
