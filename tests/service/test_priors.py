"""A patient who comes again: the prior is found in a real archive, read, read again; or it is said why."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from io import BytesIO

import pytest
from characters import characterised
from fakes import MemoryObjects
from highdicom.sr import VolumetricROIMeasurementsAndQualitativeEvaluations
from highdicoms import foreign, volumetric
from peers import Dcmqrscp, Orthanc, file_names, free_port, storescu
from pydicom import dcmread
from reports import analysis, as_file, ct_series, labels

from millet.app.prior_archives import prior_archives
from millet.codec import seg, sr
from millet.codec.source import Source
from millet.core.prior import Facts, Origin
from millet.edge.journal import JournalClock, SqlJournal, open_engine
from millet.edge.store import Bucket, ErrandBucket
from millet.flow.elsewhere import fetched, offered
from millet.flow.errands import ErrandDesk
from millet.phantom import dicom, presets
from millet.phantom.after import After
from millet.settings import load

WANTED = replace(presets.PRESETS["miliary"], after=None)
SMALL = {"nodules": 70, "scale": 0.32, "seed": 2, "scan": presets.Scan(pixel_mm=0.9, slice_mm=1.25)}
CLASSIC = {"model": "log/1"}


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """A patient, and the same after therapy: two folders of slices."""
    folders = [tmp_path_factory.mktemp("visits") / name for name in ("first", "second")]
    for folder, after in zip(folders, (None, After(change=-0.3)), strict=True):
        dicom.write(presets.make(replace(WANTED, after=after), **SMALL), folder)
    return folders


@pytest.fixture
def pacs(tmp_path):
    """A real archive with nothing in it."""
    made = Orthanc(
        tmp_path / "orthanc",
        Plugins=["/usr/share/orthanc/plugins"],
        DicomWeb={"Enable": True, "Root": "/dicom-web/"},
        DicomAlwaysAllowFind=True,
        DicomAlwaysAllowGet=True,
        DicomAlwaysAllowMove=True,
    )
    yield made
    made.stop()


OWN = Facts(
    series_uid="1.9",
    study_uid="1.90",
    patient_id="12345",
    issuer="HOSP",
    birth_date="19600101",
    sex="F",
    date="20260401",
)
"""An exam of the patient of `reports`, three months later."""


def asked(pacs, kind):
    """An archive as the service asks it."""
    section = ", ".join(
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
        for name, value in archive(pacs, kind, prior_images=True).items()
    )
    (made,) = prior_archives(load({"MILLET_ARCHIVE": f"[{{ {section} }}]"}, None), None)
    return made


def by_highdicom(count):
    """Somebody's TID 1500 report."""
    groups = [
        VolumetricROIMeasurementsAndQualitativeEvaluations.from_sequence([volumetric(one)])
        for one in characterised(count)
    ]
    return foreign(groups)


@pytest.mark.parametrize("kind", ["dimse", "dicomweb"])
def test_what_others_made_is_found_and_read_in_a_real_archive(pacs, kind):
    """A report by highdicom, ours, and our mask; of other patients nothing comes."""
    source, found = Source.read(ct_series()), characterised(5)
    made = asked(pacs, kind)
    assert dict(offered(made, OWN, "").offers) == {}
    for one in (
        by_highdicom(7),
        sr.encode(analysis(found), source),
        seg.encode(analysis(found), labels(found), source),
        *ct_series(),
    ):
        pacs.post("instances", one)
    offers = offered(made, OWN, "").offers
    assert {facts.origin: facts.date for facts in offers} == dict.fromkeys(
        (Origin.IMAGES, Origin.REPORT, Origin.SEGMENTATION), "20260101"
    )
    told = {
        facts.origin: fetched(offer, facts, OWN)
        for facts, offer in offers.items()
        if facts.origin is not Origin.IMAGES
    }
    assert {origin: len(one.study.nodules) for origin, one in told.items()} == {
        Origin.REPORT: 7,
        Origin.SEGMENTATION: 5,
    }
    (images,) = (offer for facts, offer in offers.items() if facts.origin is Origin.IMAGES)
    assert len(made.images.instances(images.series[0])) == 30
    stranger = offered(made, replace(OWN, patient_id="54321"), "")
    assert (dict(stranger.offers), list(stranger.others)) == ({}, [])
    other = offered(made, replace(OWN, sex="M"), "")
    assert (dict(other.offers), len(other.others)) == ({}, 1)


def series_uid(folder):
    """Of the slices in a folder."""
    return str(dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID)


def put(pacs, folder):
    """Have an archive keep a folder."""
    for path in folder.glob("*.dcm"):
        pacs.post("instances", path.read_bytes())


def archive(pacs, kind, **more):
    """An archive that is asked for priors."""
    web = f"http://127.0.0.1:{pacs.http_port}/dicom-web"
    to = web if kind == "dicomweb" else f"ORTHANC@127.0.0.1:{pacs.dicom_port}"
    return {"name": "pacs", "kind": kind, "to": to, "tls": False, "priors": True, **more}


def compared(service, folder):
    """Send a visit, and what its report says of the change; over gRPC and in the SR."""
    storescu(folder, service.dicom_port)
    status = service.ended(series_uid(folder))
    change = service.analysis(status).change
    (written,) = (service.folder / "state" / "reports").rglob(*file_names(["sr"]))
    return change, said(dcmread(written))


def said(report):
    """The sentence on the comparison."""
    texts = [str(one.TextValue) for one in walk(report) if one.get("ValueType") == "TEXT"]
    return next(text for text in texts if text.startswith(("Compared with", "Prior not used")))


def walk(item):
    """All content items."""
    for one in item.get("ContentSequence", ()):
        yield one
        yield from walk(one)


PRIORS = "MILLETPRIORS"
"""Our title for archives that know only C-MOVE."""


def moving(to, **more):
    """An archive that sends priors to our DICOM port."""
    facts = {"name": "pacs", "kind": "dimse", "to": to, "tls": False, "retrieve": "move"}
    return {**facts, "priors": True, "prior_images": True, "priors_to": PRIORS, "priors_s": 60, **more}


def test_what_an_archive_sends_comes_to_who_asked_on_another_machine(millet, postgres, bucket_url, tmp_path):
    """By the receiver that the archive knows; analyser and receiver share a database and a bucket."""
    port, journal_url = free_port(), postgres.url(postgres.fresh())
    files = [tmp_path / f"{number}.dcm" for number in range(31)]
    for path, encoded in zip(files, (*ct_series(), by_highdicom(7)), strict=True):
        path.write_bytes(encoded)
    pacs = Dcmqrscp(tmp_path / "dcmqrscp", files, (PRIORS, port))
    engine = open_engine(journal_url)
    try:
        to = f"DCMQRSCP@127.0.0.1:{pacs.dicom_port}"
        known, unknown = moving(to), moving(to, name="other", priors_to="NOBODY")
        shared = {"journal_url": journal_url, "spool_url": bucket_url, "archive": [known, unknown]}
        receiver = millet(**shared, roles=["receive"], metrics_port=free_port(), dicom_port=port)
        store, journal = (
            ErrandBucket(Bucket(bucket_url)),
            SqlJournal(engine, lambda *_: None, MemoryObjects()),
        )
        desk = ErrandDesk(site="default", log=journal, store=store, clock=JournalClock(engine))
        made, lost = prior_archives(load({}, receiver.folder / "millet.toml"), desk)
        offers = {facts.origin: (facts, offer) for facts, offer in offered(made, OWN, "").offers.items()}
        facts, offer = offers[Origin.REPORT]
        assert len(fetched(offer, facts, OWN).study.nodules) == 7
        (name,), kept = offers[Origin.IMAGES][1].series, {}
        told = made.images.retrieve(name, (), lambda one: kept.update({one.sop_instance_uid: one.encoded}))
        assert (len(told.came), told.failed, told.why) == (30, 0, "")
        assert lost.images.retrieve(name, (), kept.update).why.endswith("shall send to (0xA801)")
        assert journal.open_series() == []
        assert [*Bucket(bucket_url).items("errands/"), *Bucket(bucket_url).items("spool/")] == []
    finally:
        pacs.stop()
        engine.dispose()


def test_a_prior_that_is_sent_to_us_is_no_exam(millet, pacs, visits):
    """It is compared with; what comes to its title without being asked for is refused."""
    _, second = visits
    whose = dcmread(next(second.glob("*.dcm")), stop_before_pixels=True)
    report = dcmread(BytesIO(by_highdicom(7)))
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"):
        setattr(report, keyword, whose.get(keyword, ""))
    pacs.post("instances", as_file(report))
    to = f"ORTHANC@127.0.0.1:{pacs.dicom_port}"
    service = millet(**CLASSIC, prior_wait_s=60, archive=[moving(to, prior_images=False)])
    peer = {"AET": PRIORS, "Host": "127.0.0.1", "Port": service.dicom_port}
    pacs.put("modalities/priors", json.dumps(peer).encode())
    change, words = compared(service, second)
    assert (change.source, change.not_used, change.archive) == ("report", "", "")
    assert "read by another, from its report" in words
    with pytest.raises(AssertionError):
        storescu(second, service.dicom_port, "-aec", PRIORS)
    assert '"status": "0x0124"' in service.log.read_text()
    assert [one.series_uid for one in service.series()] == [series_uid(second)]
    assert list((service.folder / "state" / "errands").iterdir()) == []


@pytest.mark.parametrize("kind", ["dimse", "dicomweb"])
def test_the_report_of_another_deployment_is_the_prior(millet, pacs, visits, kind):
    """It is found in the archive, and the exam compared with it, as far as another's reading allows."""
    first, second = visits
    other = millet(**CLASSIC, destination=f"ORTHANC@127.0.0.1:{pacs.dicom_port}")
    storescu(first, other.dicom_port)
    other.ended(series_uid(first))
    other.terminate()
    change, words = compared(millet(**CLASSIC, archive=[archive(pacs, kind)]), second)
    assert (change.source, change.not_used, change.archive) == ("report", "", "")
    assert "model" in change.limited
    assert sum(one.HasField("prior_number") and one.HasField("number") for one in change.nodules) > 10
    assert "read by another, from its report" in words


def test_images_of_an_archive_are_analysed_for_comparison_only(millet, pacs, visits):
    """The prior that nobody read is read by the same model; nothing is filed of it, here or there."""
    first, second = visits
    put(pacs, first)
    service = millet(**CLASSIC, prior_wait_s=200, archive=[archive(pacs, "dimse", prior_images=True)])
    change, words = compared(service, second)
    assert (change.source, change.prior_series_uid) == ("images", series_uid(first))
    assert list(change.limited) == []
    assert change.interval_days == 90
    assert "its images read again by this model" in words
    assert [one.series_uid for one in service.series()] == [series_uid(second)]
    assert pacs.instances("SR") == []


def test_a_prior_that_an_older_model_read_is_analysed_again(millet, visits):
    """From the spool; a new model is no reason not to compare, and no news for who got the old report."""
    first, second = visits
    service = millet(model="log/1", prior_wait_s=200)
    storescu(first, service.dicom_port)
    before = service.ended(series_uid(first))
    service.terminate()
    config = service.folder / "millet.toml"
    config.write_text(config.read_text().replace('"log/1"', '"millet/1"'))
    service.start()
    storescu(second, service.dicom_port)
    status = service.ended(series_uid(second))
    change = service.analysis(status).change
    assert (change.source, list(change.limited)) == ("images", [])
    (now,) = [one for one in service.series() if one.series_uid == series_uid(first)]
    assert (now.generation, now.revision) == (before.generation, before.revision)


def test_a_dead_archive_costs_a_stated_reason_and_no_report(millet, visits):
    """One that takes connections and never answers, and one that is not there."""
    _, second = visits
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        to = f"ORTHANC@127.0.0.1:{silent.getsockname()[1]}"
        dead = {"name": "pacs", "kind": "dimse", "to": to, "tls": False, "priors": True, "priors_s": 300}
        service = millet(**CLASSIC, prior_wait_s=1, archive=[dead])
        change, words = compared(service, second)
    assert (change.not_used, change.archive) == ("no-prior", "archive-late")
    assert words.endswith("Whether archives hold another prior is not known: archive-late.")
