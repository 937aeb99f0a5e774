"""What each field of the settings may be, field by field; each mistake in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from millet.core.bucket import BucketUrl
from millet.core.doors import network
from millet.core.language import Language
from millet.core.manifest import PRECISIONS
from millet.core.peer import PORTS, Peer, ae_title_mistake
from millet.settings.archives import archives_mistake
from millet.settings.called import model_mistake

ROLES = ("receive", "analyse", "deliver", "api")
DEVICES = ("cpu", "cuda", "tensorrt")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _one_of(*allowed: str) -> Callable[[str], str]:
    return lambda value: "" if value in allowed else f"{value!r} is none of {', '.join(allowed)}"


def _port(value: int) -> str:
    return "" if value in PORTS else f"{value} is not within 1 to 65535"


def _port_or_none(value: int) -> str:
    return "" if value == 0 else _port(value)


def _collector(value: str) -> str:
    good = not value or re.fullmatch(r"https?://[^/@\s]+:\d{1,5}/?", value)
    return "" if good else f"{value!r} is not of the form http[s]://HOST:PORT"


def _not_negative(value: float) -> str:
    return "" if 0 <= value < float("inf") else f"{value} must be a finite number, 0 or more"


def _positive(value: float) -> str:
    return "" if 0 < value < float("inf") else f"{value} must be a finite number above 0"


def _journal_url(value: str) -> str:
    """Without the value, which may hold a password."""
    good = not value or re.match(r"(sqlite|postgresql)(\+psycopg)?://", value)
    return "" if good else "begins neither with sqlite:// nor with postgresql://"


def _spool_url(value: str) -> str:
    """Without the value, which may hold a secret."""
    try:
        if value:
            BucketUrl.parse(value)
    except ValueError as mistake:
        return str(mistake)
    return ""


def _not_blank(value: str) -> str:
    return "" if value.strip() else "must not be blank"


def _peer_titles(titles: tuple[str, ...]) -> str:
    return "; ".join(mistake for title in titles if (mistake := ae_title_mistake(title)))


def _destination(value: str) -> str:
    if value in {"folder", "none"}:
        return ""
    try:
        Peer.parse(value)
    except ValueError as error:
        return f"{error} (or the word folder or none)"
    return ""


def _device(device: str) -> str:
    if device in DEVICES or re.fullmatch(r"cuda:\d{1,3}", device):
        return ""
    return f"{device!r} is none of {', '.join(DEVICES)}, cuda:N"


def _origins(origins: tuple[str, ...]) -> str:
    wrong = [one for one in origins if not re.fullmatch(r"https?://[^/@\s*]+", one)]
    return f"{wrong[0]!r} is not of the form http[s]://HOST[:PORT]" if wrong else ""


def _networks(texts: tuple[str, ...]) -> str:
    try:
        for one in texts:
            network(one)
    except ValueError as mistake:
        return str(mistake)
    return ""


def _roles(roles: tuple[str, ...]) -> str:
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        return f"{', '.join(unknown) or 'nothing'} is none of {', '.join(ROLES)}"
    return ""


CHECKS: Mapping[str, Callable[[Any], str]] = {
    "journal_url": _journal_url,
    "spool_url": _spool_url,
    "site": _not_blank,
    "host": _not_blank,
    "dicom_port": _port,
    "ae_title": ae_title_mistake,
    "known_peers": _peer_titles,
    "emergency_peers": _peer_titles,
    "oidc_role_claim": _not_blank,
    "grpc_port": _port,
    "kserve_port": _port_or_none,
    "web_port": _port,
    "web_origins": _origins,
    "web_proxies": _networks,
    "metrics_port": _port_or_none,
    "metrics_host": _not_blank,
    "canary_every_s": _not_negative,
    "traces_to": _collector,
    "destination": _destination,
    "archive": archives_mistake,
    "prior_wait_s": _not_negative,
    "stow_body_bytes": _positive,
    "stow_requests": _positive,
    "grpc_submits": _not_negative,
    "grpc_pulls": _positive,
    "model": model_mistake,
    "model_precision": _one_of(*PRECISIONS, "bf16", "auto"),
    "language": _one_of(*Language),
    "device": _device,
    "remote_timeout_s": _positive,
    "threads": _not_negative,
    "stream_bytes": _not_negative,
    "settle_s": _not_negative,
    "quiet_s": _positive,
    "gap_wait_s": _positive,
    "spool_reserve_bytes": _not_negative,
    "most_instance_bytes": _positive,
    "retry_first_s": _positive,
    "retry_longest_s": _positive,
    "retry_for_s": _positive,
    "keep_days": _not_negative,
    "keep_objects_days": _not_negative,
    "drain_s": _not_negative,
    "log_level": _one_of(*LOG_LEVELS),
    "show_patient_role": _one_of("viewer", "reader", "ops", "admin"),
    "escalate_critical_s": _not_negative,
    "escalate_urgent_s": _not_negative,
    "escalate_notable_s": _not_negative,
    "age_up_s": _not_negative,
    "backlog_s": _not_negative,
    "roles": _roles,
    "slot": _not_negative,
}
"""By field; of a value, what is wrong with it, or nothing."""
