"""Real destinations: DCMTK's storescp over TLS, Orthanc by C-STORE and STOW-RS, and the service with both."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest
from certificates import Authority
from deliveries import DELIVERY
from instances import ct_file
from peers import Orthanc, alone_on_loopback, free_port, need, storescu, until

from millet.app.delivering import _archive, destination
from millet.codec.identifiers import names_of
from millet.core.peer import Peer
from millet.edge.destinations import StorageScu, TlsFiles
from millet.errors import DeliveryError
from millet.flow.kept import Queries
from millet.settings import DestinationSection, Settings

SENT = ("sr", "summary", "seg", "gsps", "kos", "sc-axial", "sc-coronal", "sc-rotating")
"""What an archive is sent of an exam with nodules."""


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """Orthanc with its DICOMweb plugin; it lets anybody ask."""
    made = Orthanc(
        tmp_path_factory.mktemp("orthanc") / "pacs",
        Plugins=["/usr/share/orthanc/plugins"],
        DicomWeb={"Enable": True, "Root": "/dicom-web/"},
        DicomAlwaysAllowFind=True,
    )
    yield made
    made.stop()


def by_dicom(pacs, **more):
    """Orthanc as a destination by C-STORE."""
    told = {"name": "pacs", "kind": "dicom", "to": f"ORTHANC@127.0.0.1:{pacs.dicom_port}", "tls": False}
    return told | more


def by_web(pacs, **more):
    """Orthanc as a destination by STOW-RS."""
    told = {"name": "web", "kind": "stow", "to": f"http://127.0.0.1:{pacs.http_port}/dicom-web", "tls": False}
    return told | more


@pytest.fixture
def storescp(tmp_path):
    """DCMTK's storescp over TLS, which asks for a certificate: process, port, folder and authority."""
    need("storescp")
    if not alone_on_loopback():
        pytest.skip("storescp binds every interface: it needs a network namespace of its own (make test)")
    authority = Authority(tmp_path / "trust")
    papers, folder, port = authority.issue("pacs"), tmp_path / "kept", free_port()
    folder.mkdir()
    secured = ["+tls", str(papers.key), str(papers.certificate), "+cf", str(authority.roots), "-rc"]
    command = ["storescp", *secured, "-aet", "PACS", "-od", str(folder), str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield process, port, folder, authority
    process.kill()
    process.wait(10)


@pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")  # pynetdicom's, where nobody answers
def test_dcmtk_takes_an_object_over_tls(storescp):
    """Both show a certificate and verify the other's; without one of ours nothing is taken."""
    process, port, folder, authority = storescp
    ours = authority.issue("millet")
    peer = Peer(ae_title="PACS", host="127.0.0.1", port=port)
    known = TlsFiles(roots=authority.roots, certificate=ours.certificate, key=ours.key)
    scu = StorageScu(peer, "MILLET", timeout_s=10, tls=known)

    def sent():
        try:
            scu.deliver(DELIVERY, ct_file(1))
        except DeliveryError as error:
            if error.away:
                return None  # it does not listen yet
            raise
        return True

    until("storescp listens", sent, 30, process)
    (kept,) = folder.iterdir()
    assert names_of(kept.read_bytes()) == names_of(ct_file(1))
    for tls in (TlsFiles(roots=authority.roots), None):
        with pytest.raises(DeliveryError) as failed:
            StorageScu(peer, "MILLET", timeout_s=5, tls=tls).deliver(DELIVERY, ct_file(2))
        assert failed.value.away
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(("number", "told"), [(1, by_dicom), (2, by_web)], ids=["C-STORE", "STOW-RS"])
def test_orthanc_takes_an_object_and_is_seen_to_have_it(pacs, number, told):
    """Not before it was sent; sent twice it is there once, and the second is a success too."""
    section, chosen = DestinationSection(**told(pacs)), Settings()
    queries, one, delivery = Queries(_archive(section, chosen)), destination(section, chosen), DELIVERY

    def kept():
        queries.ask(delivery, ct_file(number))
        return queries.answered(delivery)

    assert kept() is False
    for _ in range(2):
        one.deliver(replace(delivery, delivery_id=number), ct_file(number))
    until("Orthanc shows it", lambda: kept() or None, 30, pacs.process)
    found = json.dumps({"Level": "Instance", "Query": {"SOPInstanceUID": names_of(ct_file(number))[1]}})
    assert len(pacs.post("tools/find", found.encode())) == 1


def test_reports_are_done_once_the_pacs_says_that_it_keeps_them(millet, small_case, pacs):
    """By C-STORE with commitment and by STOW-RS with a query, with a third destination down all the while."""
    down = {"name": "down", "kind": "dicom", "to": f"DOWN@127.0.0.1:{free_port()}", "tls": False}
    service = millet(
        destination="none",
        destinations=[by_dicom(pacs, verify="commitment"), by_web(pacs, verify="query"), down],
        known_peers=["STORESCU", "ORTHANC"],
    )
    listens = {"AET": "MILLET", "Host": "127.0.0.1", "Port": service.dicom_port}
    pacs.put("modalities/millet", json.dumps(listens).encode())
    storescu(small_case, service.dicom_port)

    def waiting():
        page = service.page("metrics").splitlines()
        lines = [line.split() for line in page if line.startswith("millet_outbox_deliveries{")]
        return {name.split('"')[1]: float(value) for name, value in lines}

    def done():
        told = [line for line in service.page("metrics").splitlines() if 'result="sent"' in line]
        sent = sum(float(line.split()[-1]) for line in told)
        left = waiting()
        return True if sent and left["down"] == len(SENT) and not left["pacs"] + left["web"] else None

    until("two destinations have everything, verified", done, 400, service.process)
    kept = {modality: len(pacs.instances(modality)) for modality in ("SR", "SEG", "PR", "KO", "OT")}
    assert kept == {"SR": 2, "SEG": 1, "PR": 1, "KO": 1, "OT": 3}
    breaker = 'millet_destination_breaker{destination="down",position="closed"} 0.0'
    assert breaker in service.page("metrics")
