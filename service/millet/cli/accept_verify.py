"""`millet accept --verify`: is a report what was signed, and does it still hold for what is in place?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from millet.cli.accepted import PAGE
from millet.cli.in_place import in_place, model_of
from millet.edge import signing
from millet.errors import ServiceError
from millet.evaluate.acceptance import report as reports

if TYPE_CHECKING:
    from millet.settings import Settings

MOST_BYTES = 64_000_000
"""Of a report: a hundred thousand studies take ten."""
ABOUT_SETTINGS = "settings_digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A report as it was read."""

    in_place: Mapping[str, Any]
    called: str
    page_sha256: str
    public_key: str


def verified(path: Path, key: Path, chosen: Settings) -> None:
    """Say what is so; ends quietly where all of it is.

    Raises ServiceError where the report was changed or signed by another key, or where another model or
    another configuration is in place.
    """
    signed = _read(path)
    typer.echo("signature: good")
    typer.echo(f"key: {signing.fingerprint(signed.public_key)}, {_whose(signed, key)}")
    typer.echo(f"page: {_page(signed, path.with_name(PAGE))}")
    now = reports.in_place(in_place(chosen, model_of(chosen, signed.called)))
    changed = dict(_changed(signed.in_place, now))
    for line in changed.values():
        typer.echo(line)
    if changed.keys() - {ABOUT_SETTINGS}:
        names = ", ".join(name for name in changed if name != ABOUT_SETTINGS)
        raise ServiceError(f"the report does not hold for what is in place: {names.replace('_', ' ')}")
    typer.echo("in place: the model and the configuration of the report")


def _read(path: Path) -> Signed:
    """A report whose signature is good. Raises ServiceError or OSError."""
    with path.open("rb") as file:
        encoded = file.read(MOST_BYTES)
    try:
        whole = reports.parsed(encoded)
        signed, signature = whole["signed"], whole["signature"]
        if signed["report"]["format"] != reports.FORMAT or signature["algorithm"] != signing.ALGORITHM:
            raise ServiceError(f"{path} is of another format than {reports.FORMAT}")
        made = signing.Signature(str(signature["public_key"]), str(signature["value"]))
        message = reports.canonical(signed)
        found = Signed(
            in_place=dict(signed["report"]["in_place"]),
            called=str(signed["report"]["run"]["called"]),
            page_sha256=str(signed["page_sha256"]),
            public_key=made.public_key,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ServiceError(f"{path} is no report of an acceptance") from error
    if not signing.verified(message, made):
        raise ServiceError(f"{path} is not what was signed: it was changed")
    return found


def _whose(signed: Signed, key: Path) -> str:
    """Whether it is the site's key. Raises ServiceError where it is another one."""
    if not key.exists():
        return "which is to be compared with the site's: there is none here"
    if signing.read(key).public_key != signed.public_key:
        raise ServiceError(f"the report was signed by another key than {key}")
    return f"that of {key}"


def _page(signed: Signed, path: Path) -> str:
    """Whether the page beside the report is the one that belongs to it. Raises ServiceError."""
    if not path.is_file():
        return "not beside the report"
    if sha256(path.read_bytes()).hexdigest() != signed.page_sha256:
        raise ServiceError(f"{path} is not the page of the report: it was changed, or is of another one")
    return "as it was written"


def _changed(used: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in now:
        if used.get(name) == now[name]:
            continue
        if name == ABOUT_SETTINGS:
            yield name, "settings: some were changed"
        else:
            yield name, f"{name.replace('_', ' ')}: {used.get(name)} in the report, {now[name]} in place"
