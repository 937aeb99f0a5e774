"""`millet send`: a folder over a real DICOM association."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millet.cli.folder import dicom_files
from millet.cli.progress import bar
from millet.core.peer import Peer
from millet.errors import ServiceError


def send(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of DICOM files.")],
    to: Annotated[str, typer.Option(metavar="AET@HOST:PORT", help="Where to send them.")],
) -> None:
    """Send every DICOM file below DIR by C-STORE."""
    count = send_folder(folder, to)
    typer.echo(f"{count} instances accepted by {to}")


def send_folder(folder: Path, to: str, calling_ae: str = "MILLET_SEND") -> int:
    """Send a folder with a progress bar; returns how many instances were accepted."""
    from millet.edge.destinations import StorageScu

    scu, files = StorageScu(_peer(to), calling_ae), dicom_files(folder)
    with bar("send") as progress:
        scu.send_all(files, lambda count: progress(f"{count} of {len(files)} instances", count / len(files)))
    return len(files)


def _peer(text: str) -> Peer:
    try:
        return Peer.parse(text)
    except ValueError as mistake:
        raise ServiceError(str(mistake)) from mistake
