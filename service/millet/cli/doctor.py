"""`millet doctor`: is everything here that the service needs, and if not, what is it?

Each look says what it saw or raises; the rest are taken all the same. Beside a running service the ports are
its own and are told as taken; everything else can be looked at.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millet import __version__
from millet.core.count_limit import told
from millet.errors import ServiceError
from millet.settings import Settings
from millet.settings.destinations import DestinationSection

if TYPE_CHECKING:
    from millet.flow.model import Model

INSTANCE_BYTES = 524_288
"""Of a slice at 512 squared."""
INSTANCES = 16
EXPIRES_SOON_DAYS = 14.0
ANSWER_S = 5.0
SCALE = 0.3
"""Of the phantom that goes round: the smallest chest that is analysed."""

Check = tuple[str, Callable[[Settings], str]]
"""What is looked at, and a look that returns what it saw or raises ServiceError or OSError."""


def doctor(
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
) -> None:
    """Check disk, journal, TLS, ports, peers, destinations, archives, model, phantom; fails if one is ill."""
    from millet import app

    settings = app.settings(config)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    table, ill = Table("what", "", "seen"), 0
    for name, look in CHECKS:
        try:
            table.add_row(name, "ok", escape(look(settings)))
        except (ServiceError, OSError, ValueError) as failure:
            ill += 1
            table.add_row(name, "[bold red]ill", escape(str(failure)))
    Console().print(table)
    if ill:
        raise ServiceError(f"{ill} of {len(CHECKS)} checks failed")


def _version(settings: Settings) -> str:
    return f"Millet {__version__}, site {settings.site}, roles {', '.join(settings.roles)}"


def _model(settings: Settings) -> str:
    from millet import app

    return "\n".join(_runs(title, model) for title, model in app.load_models(settings)[0].items())


def _runs(title: str, model: Model) -> str:
    """What is seen of one model, which a called title may have named."""
    from millet import app

    app.prove(model)
    limit = told(model.manifest)
    seen = f"{model.manifest.name}/{model.manifest.version} in {model.precision} runs on {model.provider}"
    seen += f", digest {model.digest[:16]}"
    seen = f"called {title}: {seen}" if title else seen
    return f"{seen}; {limit}" if limit else seen


def _disk(settings: Settings) -> str:
    probe, times_ms = settings.state_dir / ".doctor", []
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        for _ in range(INSTANCES):
            started = time.perf_counter()
            os.write(descriptor, bytes(INSTANCE_BYTES))
            os.fdatasync(descriptor)
            times_ms.append(1000 * (time.perf_counter() - started))
    finally:
        os.close(descriptor)
        probe.unlink()
    free = shutil.disk_usage(settings.state_dir).free
    if free < settings.spool_reserve_bytes and not settings.spool_url:
        raise ServiceError(f"{free / 1e9:.1f} GB free, less than the reserve: instances would be refused")
    usual_ms, rate = statistics.median(times_ms), INSTANCE_BYTES / 1000 / statistics.median(times_ms)
    durable = f"512 KB durable in {usual_ms:.1f} ms, at worst {max(times_ms):.1f}, which is {rate:.0f} MB/s"
    return f"{free / 1e9:.0f} GB free, {durable}"


def _spool(settings: Settings) -> str:
    from millet.app import storing

    return storing.look(settings) if settings.spool_url else f"in {settings.state_dir}"


def _database(settings: Settings) -> str:
    from millet.edge.journal import journal_url, migrate_apart, open_engine, snapshot

    engine = open_engine(journal_url(settings.journal_url, settings.state_dir))
    try:
        migrate_apart(engine)
        started = time.perf_counter()
        count = snapshot.count(engine)
        took_ms = 1000 * (time.perf_counter() - started)
        return f"{engine.dialect.name}, {count} series journalled, answers in {took_ms:.1f} ms"
    finally:
        engine.dispose()


def _tls(settings: Settings) -> str:
    from millet.app import doors
    from millet.edge.tls import Files, ServerTls, days_left

    doors.check(settings, [one.name for one in settings.all_destinations])
    if settings.tls_certificate is None or settings.tls_key is None:
        return "none: everything travels in the clear"
    files = Files(certificate=settings.tls_certificate, key=settings.tls_key, roots=settings.tls_roots)
    ServerTls(files, require=settings.dicom_tls, told=lambda _why: None)
    days = days_left(settings.tls_certificate, datetime.now(UTC))
    if days < 0:
        raise ServiceError(f"the certificate expired {-days:.0f} days ago")
    soon = "; renew it soon" if days < EXPIRES_SOON_DAYS else ""
    return f"certificate, key and roots load; valid for {days:.0f} more days{soon}"


def _callers(settings: Settings) -> str:
    from millet.edge import access

    known = []
    if settings.access_file is not None:
        known.append(f"{len(access.read(settings.access_file))} in {settings.access_file}")
    if settings.oidc_issuer:
        known.append(f"whom {settings.oidc_issuer} names")
    return ", and ".join(known) or "nobody is asked who calls"


def _criteria(settings: Settings) -> str:
    from millet.edge import criteria

    return ", ".join(one.identifier for one in criteria.read(settings.criteria_dir)) or "ours alone"


def _peers(settings: Settings) -> str:
    from millet.edge.destinations import StorageScu

    called = [one.listens() for one in settings.peer if one.host]
    _each({str(peer): StorageScu(peer, settings.ae_title, timeout_s=ANSWER_S).echo for peer in called})
    without = len(settings.peer) - len(called)
    told_of = f"{', '.join(map(str, called))} answer C-ECHO" if called else "none is to be called back"
    return f"{told_of}; {without} only call us" if without else told_of


def _ports(settings: Settings) -> str:
    addresses = [
        (settings.dicom_host or settings.host, settings.dicom_port),
        (settings.host, settings.grpc_port),
        (settings.host, settings.web_port),
    ]
    if settings.kserve_port and "analyse" in settings.roles:
        addresses.append((settings.host, settings.kserve_port))
    if settings.metrics_port:
        addresses.append((settings.metrics_host, settings.metrics_port))
    for address in addresses:
        with socket.create_server(address):
            pass
    return ", ".join(f"{host}:{port}" for host, port in addresses) + " free"


def _destinations(settings: Settings) -> str:
    looks = {one.name: partial(_destination, settings, one) for one in settings.all_destinations}
    return _told(_each(looks))


def _archives(settings: Settings) -> str:
    from millet.app.pulling import answers

    looks = {one.name: partial(answers, settings, one, ANSWER_S) for one in settings.archive}
    return _told(_each(looks))


def _told(seen: Mapping[str, object]) -> str:
    return "; ".join(f"{name}: {what}" for name, what in seen.items()) or "none"


def _each(looks: Mapping[str, Callable[[], object]]) -> Mapping[str, object]:
    """What each look saw, by name. Raises ServiceError that names every one that failed."""
    seen, failed = {}, []
    for name, look in looks.items():
        try:
            seen[name] = look()
        except (ServiceError, OSError, ValueError) as failure:
            failed.append(f"{name}: {failure}")
    if failed:
        raise ServiceError("; ".join(failed))
    return seen


def _destination(settings: Settings, one: DestinationSection) -> str:
    from millet.app.certificates import address
    from millet.app.delivering import destination
    from millet.edge.destinations import StorageScu

    if one.kind == "folder":
        return f"folder {one.to}"
    asked = destination(replace(one, timeout_s=ANSWER_S, limit_s=ANSWER_S), settings)
    if isinstance(asked, StorageScu):
        asked.echo()
        return f"{one.to} answers C-ECHO"
    host, port = address(one)
    with socket.create_connection((host, port), ANSWER_S):
        return f"{host}:{port} can be connected to"


def _phantom(settings: Settings) -> str:
    """A chest of ours, as a scanner would send it, through the whole analysis."""
    from millet import app
    from millet.codec.ct import read_header
    from millet.core.analysis import Outcome
    from millet.flow.analyse import Order
    from millet.flow.offline import analyse
    from millet.phantom import dicom, presets

    started = time.perf_counter()
    scan = presets.Scan(pixel_mm=1.4, slice_mm=2.0)
    instances = dicom.encoded(presets.make("case", nodules=6, seed=11, scale=SCALE, scan=scan))
    header = read_header(instances[0])
    order = Order(
        site=settings.site,
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        generation=1,
        created_utc=datetime.now(UTC),
    )
    made = analyse(order, instances, app.load_model(settings), lambda *_: None)
    found = made.analysis
    if found.outcome is Outcome.NOT_ANALYSED or "sr" not in made.objects:
        said = ", ".join(remark.reason.value for remark in found.remarks)
        raise ServiceError(f"a phantom ended as {found.outcome.value}: {said}")
    took_s = time.perf_counter() - started
    return f"{len(instances)} slices in, {len(found.nodules)} nodules and a report out, in {took_s:.1f} s"


CHECKS: tuple[Check, ...] = (
    ("version", _version),
    ("disk", _disk),
    ("spool", _spool),
    ("database", _database),
    ("TLS", _tls),
    ("callers", _callers),
    ("criteria", _criteria),
    ("ports", _ports),
    ("peers", _peers),
    ("destinations", _destinations),
    ("archives", _archives),
    ("model", _model),
    ("phantom", _phantom),
)
