"""The configuration: one frozen value, read once, every mistake reported at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its unit, its default and the reason for it."""

    state_dir: Path = Path("millet-state")
    """Where journal, spool, objects and the default destination live."""
    site: str = "default"
    """Name of the hospital whose identifiers these are; part of every key."""
    host: str = "127.0.0.1"
    """Address that all servers bind. Loopback, so that nothing is exposed by accident."""
    dicom_port: int = 11112
    """DICOM port (IANA's registered alternative to 104, which needs root)."""
    ae_title: str = "MILLET"
    """Our application entity title, called by senders and calling at destinations."""
    known_peers: tuple[str, ...] = ()
    """Calling AE titles that may send; empty for any."""
    grpc_port: int = 50051
    """gRPC port."""
    web_port: int = 8080
    """HTTP port: page, metrics and health."""
    destination: str = "folder"
    """Where reports go: `folder` (state_dir/reports) or `AET@HOST:PORT`."""
    model: str = "log/1"
    """Folder below the models' root: name/version."""
    models_dir: Path | None = None
    """Root of the models; by default the ones that come with Millet."""
    device: str = "cpu"
    """cpu or cuda. A device that the model does not run on refuses readiness."""
    threads: int = 0
    """Threads for inference; 0 for all cores."""
    settle_s: float = 2.0
    """Wait after the last association of a whole series is released, in seconds. Senders that open an
    association per instance come back within milliseconds."""
    quiet_s: float = 10.0
    """Silence after which a geometrically whole series is closed although its association is open."""
    gap_wait_s: float = 60.0
    """Silence after which a series with gaps is closed and judged as it is."""
    spool_reserve_bytes: int = 2_000_000_000
    """Free space below which instances are refused with 0xA700."""
    retry_first_s: float = 5.0
    """First wait before a delivery is tried again."""
    retry_longest_s: float = 3600.0
    """Longest wait between two tries."""
    retry_for_s: float = 7 * 86400.0
    """After this a delivery becomes a dead letter; a PACS may be away for a long weekend."""
    drain_s: float = 20.0
    """How long a stop waits for work in hand before it leaves the rest to the next start."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    show_patient: bool = False
    """Show patient names on the page; off, since worklists are seen by passers-by."""
    roles: tuple[str, ...] = field(default=("receive", "analyse", "deliver", "api"))
    """The parts of the service that this process runs."""
