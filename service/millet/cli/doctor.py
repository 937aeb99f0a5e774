"""`millet doctor`: is everything here that the service needs, and if not, what is it?"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from millet import __version__
from millet.core.count_limit import told
from millet.errors import ServiceError
from millet.settings import Settings

Check = tuple[str, Callable[[Settings], str]]
"""What is looked at, and a look that returns what it saw or raises ServiceError or OSError."""


def doctor(
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
) -> None:
    """Check configuration, model, device, disk, ports and destination; fails if one of them is ill."""
    from millet import app

    settings = app.settings(config)
    table, ill = Table("what", "", "seen"), 0
    for name, look in CHECKS:
        try:
            table.add_row(name, "ok", look(settings))
        except (ServiceError, OSError, ValueError) as failure:
            ill += 1
            table.add_row(name, "[bold red]ill", str(failure))
    Console().print(table)
    if ill:
        raise ServiceError(f"{ill} of {len(CHECKS)} checks failed")


def _version(settings: Settings) -> str:
    return f"Millet {__version__}, site {settings.site}, roles {', '.join(settings.roles)}"


def _model(settings: Settings) -> str:
    from millet import app

    model = app.load_model(settings)
    app.prove(model)
    limit = told(model.manifest)
    seen = f"{model.manifest.name}/{model.manifest.version} in {model.precision} runs on {model.provider}"
    return f"{seen}; {limit}" if limit else seen


def _disk(settings: Settings) -> str:
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    probe = settings.state_dir / ".doctor"
    started = time.perf_counter()
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, bytes(524_288))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        probe.unlink()
    took_ms = 1000 * (time.perf_counter() - started)
    free = shutil.disk_usage(settings.state_dir).free
    if free < settings.spool_reserve_bytes:
        raise ServiceError(f"{free / 1e9:.1f} GB free, less than the reserve: instances would be refused")
    return f"{free / 1e9:.0f} GB free, 512 KB durable in {took_ms:.1f} ms"


def _ports(settings: Settings) -> str:
    addresses = (
        (settings.dicom_host or settings.host, settings.dicom_port),
        (settings.host, settings.grpc_port),
        (settings.host, settings.web_port),
    )
    for address in addresses:
        with socket.create_server(address):
            pass
    return ", ".join(f"{host}:{port}" for host, port in addresses) + " free"


def _destination(settings: Settings) -> str:
    if settings.destination == "none":
        return "none but those of `destinations`"
    if (peer := settings.destination_peer) is None:
        return f"folder {settings.state_dir / 'reports'}"
    from millet.edge.destinations import StorageScu

    StorageScu(peer, settings.ae_title).echo()
    return f"{peer} answers C-ECHO"


CHECKS: tuple[Check, ...] = (
    ("version", _version),
    ("model", _model),
    ("disk", _disk),
    ("ports", _ports),
    ("destination", _destination),
)
