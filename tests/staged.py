"""What a machine holds before the commands of a page are typed in it: what the page takes for granted."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import analyses
import bundles
from certificates import Authority, Pair
from fakes import MemoryObjects
from instances import START_UTC, entry
from machine import SHARED, Machine, places
from pages import ROOT, Block, blocks

from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.phantom import dicom, presets
from millet.ports import KeptObject

VENV = ROOT / ".venv"
PACS = "10.0.0.5"
"""The address of the PACS on most pages; storescp stands there."""
HOST = "10.1.7.5"
"""Of millet.hospital.example, among the addresses that its peers have on the page about them."""
STUDY = "1.2.840..."
"""As the page about destinations writes the UID of a study."""
LUNA16 = {
    "annotations": "seriesuid,coordX,coordY,coordZ,diameter_mm\na,0,0,0,6\nb,0,0,0,6\n",
    "annotations_excluded": "seriesuid,coordX,coordY,coordZ,diameter_mm\na,50,0,0,-1\n",
    "seriesuids": "a\nb\n",
    "candidates": "seriesuid,coordX,coordY,coordZ,probability\na,1,0,0,0.9\na,53,0,0,0.8\nb,90,0,0,0.7\n",
}

Stage = Callable[[Machine, list[Block]], None]


def machine() -> Machine:
    """One with this checkout, installed as it is here, and nothing built in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLET_")}
    variables = kept | {
        "PATH": f"{os.environ['PATH']}:{VENV / 'bin'}",
        "PYTHONPATH": str(ROOT / "service"),
        "HOME": "/root",
        "SYSTEMD_OFFLINE": "1",  # units are enabled, none is started
    }
    made = Machine(*places(), variables=variables)
    typed(made, f"cd {ROOT} && rm -rf build && touch .venv/installed-cpu")
    return made


def typed(on: Machine, command: str) -> None:
    """Type what must succeed."""
    done = on.run(command)
    assert done.status == 0, f"{command}\n{done.output}"


def write(on: Machine, path: str, text: str) -> None:
    """Put a file there, in folders that are made for it."""
    (on.shared / "file").write_text(text)
    typed(on, f"mkdir -p \"$(dirname '{path}')\" && cp {SHARED}/file '{path}'")


def settings(found: list[Block]) -> str:
    """All that a page shows of a configuration file, tables last, as TOML wants it."""
    shown = [one.text for one in found if one.language == "toml" and one.file in {"", "millet.toml"}]
    return "".join(sorted(shown, key=lambda text: "[[" in text))


def chest(on: Machine, name: str) -> None:
    """A small series in the folder where the shell is."""
    dicom.write(presets.make("case", nodules=40, seed=11, scale=0.4), on.shared / name)
    typed(on, f"cp -r {SHARED}/{name} {name}")


def pacs(on: Machine) -> None:
    """A PACS that takes everything, at the address of the pages."""
    typed(on, f"ip address add {PACS}/32 dev lo && mkdir -p /tmp/pacs")
    done = on.start("storescp -aet PACS -pm -od /tmp/pacs 104", ports=(104,))
    assert done.status == 0, done.output


def getting_started(on: Machine, _: list[Block]) -> None:
    """A PACS, a state that may be written, a series to send."""
    pacs(on)
    chest(on, "series")


def bundle(on: Machine, _: list[Block]) -> None:
    """A bundle with weights that nobody trained, where the page has one."""
    bundles.write(on.shared / "bundle", bundles.network())
    typed(on, f"mkdir -p ~/bundles && cp -r {SHARED}/bundle ~/bundles/lung_nodule_ct_detection")


def judged(on: Machine, found: list[Block]) -> None:
    """A report with its series, and a folder of criteria."""
    chest(on, "SERIES_FOLDER")
    typed(on, "millet analyse SERIES_FOLDER --out analysed; cp analysed/sr.dcm REPORT.dcm")
    write(on, "my_sets/lung-many.toml", next(one.text for one in found if one.language == "toml"))


def given_up(on: Machine, found: list[Block]) -> None:
    """A journal in which two destinations refused the report of a study, and a third that of another one."""
    (on.shared / "state").mkdir()
    migrate(engine := open_engine(sqlite_url(on.shared / "state/journal.db")))
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    asked = {STUDY: ["pacs", "archive"], "1.2.3": ["old-pacs"]}
    for number, (study, destinations) in enumerate(asked.items()):
        one = entry(number, series_uid=f"1.2.3.{number}")
        recorded = journal.record(replace(one, header=replace(one.header, study_uid=study)))
        journal.close(recorded.series_id, 1, START_UTC)
        made = replace(analyses.analysis(), created_utc=START_UTC)
        kept = [KeptObject(kind="sr", path="aa/sr", deliver=True)]
        journal.commit(journal.claim(recorded.series_id, 1), made, kept, destinations)
    for destination in ("pacs", "archive", "old-pacs"):
        while delivery := journal.take(destination, "one", 60.0):
            journal.give_up(delivery, "the destination answered 0xA900")
    engine.dispose()
    typed(on, f"cp -r {SHARED}/state millet-state")
    write(on, "millet.toml", settings(found))


def luna16(on: Machine, _: list[Block]) -> None:
    """The challenge's tables, of two series."""
    for name, text in LUNA16.items():
        write(on, f"{name}.csv", text)


def kept(on: Machine, _: list[Block]) -> None:
    """A service that received a series and was stopped, and the settings of one that holds nothing yet."""
    write(on, "millet.toml", 'state_dir = "/var/lib/millet"\n')
    write(on, "new.toml", 'state_dir = "/var/lib/millet-new"\n')
    chest(on, "series")
    done = on.start("millet serve --config millet.toml", ports=(11112, 50051, 8080))
    assert done.status == 0, done.output
    typed(on, "storescu -aec MILLET 127.0.0.1 11112 series/*.dcm")
    on.interrupt()


def pems(on: Machine, folder: str, **pairs: Pair) -> None:
    """Certificates and keys under names of a page."""
    for name, pair in pairs.items():
        shutil.copy(pair.certificate, on.shared / f"{name}.crt")
        shutil.copy(pair.key, on.shared / f"{name}.key")
        typed(on, f"mkdir -p {folder} && cp {SHARED}/{name}.crt {SHARED}/{name}.key {folder}/")


def secured(on: Machine, found: list[Block]) -> None:
    """The service as the page configures it, with its certificates, reached by the name on the page."""
    authority = Authority(on.shared / "authority")
    pems(on, "/etc/millet/tls", tls=authority.issue("millet.hospital.example"))
    pems(on, ".", ct1=authority.issue("ct1.hospital.example"))
    typed(on, f"cp {SHARED}/authority/roots.pem ca.crt && cp ca.crt /etc/millet/tls/")
    typed(on, f"ip address add {HOST}/32 dev lo && echo {HOST} millet.hospital.example >>/etc/hosts")
    for block in found:
        if block.file.endswith("access.toml"):
            write(on, block.file, block.text)
    ours = [one for one in found if "oidc" not in one.text and "MILLET_CHILD" not in one.text]
    write(on, "millet.toml", settings(ours))
    done = on.start("millet serve --config millet.toml 2>/var/log/millet.jsonl", ports=(11112,))
    assert done.status == 0, done.output


def served(on: Machine, _: list[Block]) -> None:
    """The certificates of a detector's server."""
    authority = Authority(on.shared / "authority")
    pems(on, ".", server=authority.issue("server"))
    typed(on, f"cp server.crt server.pem && cp {SHARED}/authority/roots.pem clients.pem")


def host(on: Machine, _: list[Block]) -> None:
    """An environment where the install step would have made one, and a PACS."""
    pacs(on)
    typed(on, f"ln -s {VENV.resolve()} /opt/millet && chmod o+x $(dirname {Path(sys.base_prefix)})/.. /root")


STAGES: Mapping[str, Stage] = {
    "docs/getting-started.md": getting_started,
    "docs/how-to/bring-your-own-model.md": bundle,
    "docs/how-to/criteria.md": judged,
    "docs/how-to/destinations.md": given_up,
    "docs/how-to/luna16.md": luna16,
    "docs/how-to/operate.md": kept,
    "docs/how-to/secure.md": secured,
    "docs/how-to/remote-detector.md": served,
    "docs/how-to/systemd.md": host,
}


def stage(page: Path, on: Machine) -> None:
    """Prepare a machine for a page; for most there is nothing to do."""
    if prepare := STAGES.get(page.relative_to(ROOT).as_posix()):
        prepare(on, blocks(page.read_text("utf-8")))
