"""One running service, and everything that is not an ordinary series: each ends in one stated way."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import ct
import numpy as np
import pydicom
import pytest
from bad_series import HANDLED, REFUSED
from peers import REPORTS, Millet, file_names, storescu
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, build_context
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from millet.codec import codes
from millet.core.lungs import lungs
from millet.core.reasons import Reason, Weight
from millet.core.tag import series_tag
from millet.edge.store import LogSpool
from millet.phantom import dicom, presets
from millet.proto.millet.v1 import analysis_service_pb2 as pb

PATIENT_ID = "QX-4711-ZK"
NAMES = {
    "GB18030": ("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    "Japanese": (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "Korean": (
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    "Latin-1": ("ISO_IR 100", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
    "UTF-8": ("ISO_IR 192", "Żółć^<b>&Zoë".encode(), "Żółć^<b>&Zoë"),
    "missing": (None, "Grün^Käthe".encode("latin-1"), "Gr\ufffdn^K\ufffdthe"),
    "wrong": ("ISO_IR 192", "Weiß^Jürgen".encode("latin-1"), "Wei\ufffd^J\ufffdrgen"),
}
"""Character set as declared, the name's bytes, and the name as people must read it (PS3.5 H.3, I.2)."""
ANALYSABLE = {name: change for name, (change, _, _) in HANDLED.items()}
REFUSABLE = {name: change for name, (change, _) in REFUSED.items() if name != "no CT"}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One service for all of this; it waits two seconds for slices that are missing."""
    running = Millet(
        folder=tmp_path_factory.mktemp("inputs") / "millet",
        settings={"settle_s": 0.3, "gap_wait_s": 2.0, "show_patient": True, "log_level": "DEBUG"},
    )
    yield running
    running.kill()


@pytest.fixture(scope="module")
def chest():
    """The smallest chest there is: 3 mm slices, without a nodule."""
    return presets.make("negative", seed=4, scale=0.3, scan=presets.Scan(pixel_mm=1.4, slice_mm=3.0))


def associate(service: Millet, *contexts) -> AE:
    """A real association, or a failed test."""
    entity = AE(ae_title="SCANNER")
    made = entity.associate("127.0.0.1", service.dicom_port, contexts=list(contexts), ae_title="MILLET")
    assert made.is_established
    return made


def as_sent(dataset: Dataset) -> bytes:
    """The bytes that go over the line."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian)


def send(service: Millet, datasets: Sequence[Dataset]) -> list[int]:
    """Over one association, in their own transfer syntaxes; the status of each."""
    kinds = {(str(d.SOPClassUID), str(d.file_meta.TransferSyntaxUID)) for d in datasets}
    association = associate(service, *(build_context(*kind) for kind in sorted(kinds)))
    statuses = [association.send_c_store(dataset).Status for dataset in datasets]
    association.release()
    return statuses


@pytest.fixture(scope="module")
def sent(service, chest):
    """Every bad series, sent one after the other: the data sets by case."""
    cases = {}
    for name, change in (REFUSABLE | ANALYSABLE).items():
        good = list(dicom.datasets(chest)) if name in ANALYSABLE else ct.series()
        for dataset in good:
            dataset.PatientID = PATIENT_ID
        cases[name] = ct.renamed(change(good), name)
        statuses = send(service, cases[name])
        foreign = [str(dataset.SOPClassUID) == BasicTextSRStorage for dataset in cases[name]]
        assert statuses == [0x0122 if each else 0x0000 for each in foreign], name
    return cases


def log_of(service: Millet, series_uid: str) -> list[dict[str, object]]:
    """What the log says of the end of a series."""
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    ends = [line for line in lines if line.get("message") == "analysis committed"]
    return [line for line in ends if line["series"] == series_tag(series_uid)]


def spooled(service: Millet) -> dict[str, bytes]:
    """What the spool holds, by SOP Instance UID."""
    spool = LogSpool(service.folder / "state" / "spool", "nobody")
    kept = [one for name in spool.segments() for one in spool.kept(name, 0, None)]
    return {one.offer.sop_instance_uid: spool.read(one.stored.path) for one in kept}


def assert_kept(service: Millet, datasets: Sequence[Dataset]) -> None:
    """Every data set that was taken lies in the spool as it came."""
    kept = spooled(service)
    for dataset in datasets:
        if dataset.SOPClassUID == CTImageStorage:
            assert kept[dataset.SOPInstanceUID].endswith(as_sent(dataset))


def reports_of(service: Millet, series_uid: str) -> list[str]:
    """What reached the destination, which is a folder."""
    return sorted(path.name for path in (service.folder / "state" / "reports").rglob(f"{series_uid}/*.dcm"))


def uid_of(datasets: Sequence[Dataset]) -> str:
    """The series."""
    return str(datasets[0].SeriesInstanceUID)


@pytest.mark.parametrize("case", REFUSABLE)
def test_a_bad_series_ends_with_its_code_everywhere(case, sent, service):
    """Not analysed: the same coded reason in worklist, analysis, report and log, and the bytes are kept."""
    reason = REFUSED[case][1].value
    status = service.ended(uid_of(sent[case]))
    assert (status.state, status.outcome) == ("not-analysed", pb.OUTCOME_NOT_ANALYSED)
    assert status.reason_code == reason
    assert status.reason_text
    analysis = service.analysis(status)
    assert (analysis.remarks[0].reason_code, analysis.remarks[0].weight) == (reason, pb.REMARK_WEIGHT_REFUSES)
    assert [line["reason"] for line in log_of(service, status.series_uid)] == [reason]
    expected = [] if reason == Reason.IDENTITY_CONFLICT else file_names(REPORTS)
    assert reports_of(service, status.series_uid) == expected
    assert_kept(service, sent[case])


@pytest.mark.parametrize("case", ANALYSABLE)
def test_what_is_handled_is_said_everywhere(case, sent, service):
    """Analysed: the remark's code is in the analysis and in the log, and the bytes are kept."""
    _, reason, weight = HANDLED[case]
    status = service.ended(uid_of(sent[case]))
    assert (status.state, status.reason_code) == ("analysed", "")
    if case == "a report in the series":
        return  # the report was refused at the door: nothing is left to say
    named = pb.RemarkWeight.Value(f"REMARK_WEIGHT_{weight.name}")
    assert (reason.value, named) in {(r.reason_code, r.weight) for r in service.analysis(status).remarks}
    (line,) = log_of(service, status.series_uid)
    assert reason.value in str(line["remarks"]).split(",")
    assert_kept(service, sent[case])


def test_a_count_that_means_nothing_is_said_everywhere(service):
    """A lung white with fluid in a very noisy scan: said in gRPC, worklist, page, report, log and metric."""
    scan = presets.Scan(pixel_mm=1.4, slice_mm=3.0, noise_hu=250.0)
    made = presets.make("negative", seed=5, scale=0.45, scan=scan)
    left = lungs(made.volume).on(made.volume.grid) == 2
    hu = np.where(left, np.int16(10), made.volume.hu)
    series = ct.renamed(list(dicom.datasets(replace(made, volume=replace(made.volume, hu=hu)))), "white")
    assert set(send(service, series)) == {0}
    status = service.ended(uid_of(series))
    analysis = service.analysis(status)
    said = {remark.reason_code for remark in analysis.remarks}
    against = said & {"low-detectability", "readers-disagree"}
    assert {"opaque-lung", "one-lung"} <= said
    assert against
    assert (status.HasField("count_reliable"), status.count_reliable, analysis.count_reliable) == (
        True,
        False,
        False,
    )
    assert status.triage not in {pb.TRIAGE_LEVEL_UNFLAGGED, pb.TRIAGE_LEVEL_NOT_ASSESSED}
    assert "count not reliable" in service.page("")
    (report,) = (service.folder / "state" / "reports").rglob(f"{status.series_uid}/sr-1.dcm")
    assert codes.COUNT_NOT_RELIABLE.meaning in str(pydicom.dcmread(report))
    assert [line["count_reliable"] for line in log_of(service, status.series_uid)] == [False]
    counted = counts(service.page("metrics"), r'millet_count_not_reliable_total\{reason="(.*)"\} (\S+)')
    assert counted == Counter(against)


def test_metrics_count_each_reason_as_often_as_the_worklist_has_it(sent, service):
    """Each refusal is counted once under its reason, each remark under its reason and weight."""
    ended = [service.ended(uid_of(datasets)) for datasets in sent.values()]
    assert ended
    whole = [status for status in service.series() if status.state in {"analysed", "not-analysed"}]
    counted = counts(service.page("metrics"), r'millet_series_not_analysed_total\{reason="(.*)"\} (\S+)')
    assert counted == Counter(s.reason_code for s in whole if s.reason_code)
    remarks = r'millet_series_remarks_total\{reason="(.*)",weight="note"\} (\S+)'
    said = [r.reason_code for s in whole for r in service.analysis(s).remarks if r.weight == NOTE]
    assert counts(service.page("metrics"), remarks) == Counter(said)
    assert {Reason.SEVERAL_VOLUMES.value, Reason.LOCALIZER_ONLY.value} <= set(said)


NOTE = pb.RemarkWeight.Value(f"REMARK_WEIGHT_{Weight.NOTE.name}")


def counts(page: str, pattern: str) -> Counter[str]:
    """What a counter's label has counted, zeros left out."""
    found = {label: round(float(value)) for label, value in re.findall(pattern, page)}
    return Counter({label: value for label, value in found.items() if value})


def test_a_mixed_association_survives_everything(service):
    """CT, an MR, garbage and CT again over one association: each has its own status, none ends it."""
    slices = ct.renamed(ct.series(), "mixed")
    other = ct.renamed(ct.copied(slices[:1], "5", SOPClassUID=MRImageStorage, Modality="MR"), "mixed")
    contexts = [build_context(kind, ExplicitVRLittleEndian) for kind in (CTImageStorage, MRImageStorage)]
    association = associate(service, *contexts)
    statuses = [association.send_c_store(one).Status for one in (slices[0], other[0])]
    statuses += [raw(association, body) for body in (b"\0", b"\xff" * 301, as_sent(slices[1])[:90])]
    statuses += [association.send_c_store(one).Status for one in slices[1:]]
    assert statuses[:2] == [0x0000, 0x0122]
    assert all(0xC000 <= status <= 0xCFFF or status >> 8 == 0xA9 for status in statuses[2:5]), statuses
    assert statuses[5:] == [0x0000] * (len(slices) - 1)
    association.release()
    assert service.ended(uid_of(slices)).instances == len(slices)


def raw(association, body: bytes) -> int:
    """C-STORE with any bytes as its data set; the status."""
    request = C_STORE()
    request.MessageID, request.Priority = 77, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, "1.2.3.4"
    request.DataSet = BytesIO(body)
    context = next(c for c in association.accepted_contexts if c.abstract_syntax == CTImageStorage)
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return int(answer.Status)


# --- character sets ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named(service, chest, tmp_path_factory):
    """A chest for each character set, sent as files by storescu: series UIDs by case."""
    uids = {}
    for case, (declared, name, _) in NAMES.items():
        datasets = ct.renamed(list(dicom.datasets(chest)), case)
        folder = tmp_path_factory.mktemp("named") / "series"
        write(datasets, folder, declared, name)
        storescu(folder, service.dicom_port)
        uids[case] = uid_of(datasets)
    return uids


def write(datasets: Sequence[Dataset], folder: Path, declared, name: bytes) -> None:
    """Files whose names are exactly these bytes, which pydicom would not write."""
    folder.mkdir()
    name += b" " * (len(name) % 2)
    holder = "X" * len(name)
    for number, dataset in enumerate(datasets):
        dataset.PatientID, dataset.PatientName = PATIENT_ID, holder
        dataset.SpecificCharacterSet = declared
        if declared is None:
            del dataset.SpecificCharacterSet
        encoded = ct.encoded(dataset)
        assert encoded.count(holder.encode()) == 1
        (folder / f"{number:03d}.dcm").write_bytes(encoded.replace(holder.encode(), name))


@pytest.mark.parametrize("case", NAMES)
def test_a_name_goes_through_unchanged_and_is_read_right(case, named, service):
    """The SR holds the name's very bytes and set; gRPC and page show it decoded, the page escaped."""
    declared, name, shown = NAMES[case]
    status = service.ended(named[case])
    assert status.state == "analysed"
    assert (status.patient_name, status.patient_id) == (shown, PATIENT_ID)
    (report,) = (service.folder / "state" / "reports").rglob(f"{named[case]}/sr-1.dcm")
    dataset = pydicom.dcmread(report)
    assert dataset.get_item(0x00100010).value.rstrip(b" ") == name
    assert dataset.get("SpecificCharacterSet") == declared
    for page in ("", f"series/{status.site}/{status.series_uid}"):
        assert html.escape(shown) in service.page(page)
        assert "<b>&Zo" not in service.page(page)


def test_no_log_line_and_no_metric_names_a_patient(sent, named, service):
    """After all of this at DEBUG, neither the log nor the metrics hold a name or a patient's identifier."""
    for uid in named.values():
        service.ended(uid)
    log, metrics = service.log.read_bytes(), service.page("metrics").encode()
    assert log.count(b"analysis committed") > len(named)
    words = {PATIENT_ID, "PHANTOM", "MILLET-PHANTOM-4", "Müller", "19600101", "19680214"}
    for _, name, shown in NAMES.values():
        parts = re.split(rb"[\^=]", name)
        words |= {part for part in re.split(r"[\^=]", shown) if len(part) > 3}
        assert not any(part in log or part in metrics for part in parts if len(part) > 3)
    for word in words:
        for told in (word.encode(), json.dumps(word)[1:-1].encode()):
            assert told not in log, word
            assert told not in metrics, word
    for uid in (*named.values(), *map(uid_of, sent.values())):
        assert uid.encode() not in log
        assert uid.encode() not in metrics
