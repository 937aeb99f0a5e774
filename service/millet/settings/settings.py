"""The configuration: one frozen value, every mistake reported at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

from millet.errors import SettingsError
from millet.settings.archives import ArchiveSection
from millet.settings.called import CalledSection
from millet.settings.checks import CHECKS, ROLES
from millet.settings.destinations import DestinationSection, from_simple, name_mistake
from millet.settings.peers import PeerSection
from millet.settings.security import security_mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its unit, its default and the reason for it. Raises SettingsError."""

    state_dir: Path = Path("millet-state")
    """Where journal, spool, objects and the default destination live. One folder, so that one volume
    holds all that must survive a restart."""
    journal_url: str = field(default="", repr=False)
    """Database of the journal: `postgresql://USER@HOST/NAME` for a service on several machines; empty for a
    SQLite file in state_dir, which needs no server. A password stands best in a file of its own, named by
    `?passfile=FILE`."""
    spool_url: str = ""
    """Bucket of an S3 store, `s3://BUCKET/PREFIX`, for what was received and what was made, when receivers,
    analysers and deliverers run on machines that share no folder; empty for state_dir. Its address and the
    credentials come from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and their like: docs/how-to/operate.md."""
    site: str = "default"
    """Name of the hospital whose identifiers these are; part of every key, since two hospitals share a
    patient ID one day."""
    host: str = "127.0.0.1"
    """Address that all servers bind. Loopback, so that nothing is exposed by accident."""
    dicom_host: str = ""
    """Address that the DICOM port alone binds; empty for `host`. Scanners must reach DICOM, while gRPC and
    the page may stay on loopback."""
    dicom_port: int = 11112
    """DICOM port. IANA's registered alternative to 104, which needs root."""
    ae_title: str = "MILLET"
    """Our application entity title, called by senders and calling at destinations."""
    known_peers: tuple[str, ...] = ()
    """Calling AE titles that may send, from any address: simple, but a title is no secret. Empty here and no
    `peer` either: only this machine itself may, so that a first trial needs no list."""
    emergency_peers: tuple[str, ...] = ()
    """Calling AE titles whose series go before all others: the scanner of the emergency room."""
    peer: tuple[PeerSection, ...] = ()
    """Who may send, by AE title, addresses and certificate, and where each is called back (`[[peer]]`)."""
    called: tuple[CalledSection, ...] = ()
    """Our AE titles, each with its urgency, model, destinations and peers, and whether it judges reports
    (`[[called]]`). Empty: every called title is taken, since senders often have another and it protects
    nothing."""
    dicom_tls: bool = False
    """Whether the DICOM port speaks TLS, and nothing but TLS; senders then must show a certificate. Those
    that cannot need a second receive process on a port of its own."""
    tls_certificate: Path | None = None
    """PEM file of our certificate with its chain. With it the gRPC and HTTP ports speak TLS only. Renewed
    files are used from the next connection on."""
    tls_key: Path | None = None
    """PEM file of that certificate's key, unencrypted, readable by this service alone."""
    tls_roots: Path | None = None
    """PEM file of who signs the certificates of clients. With it HTTP clients may show one."""
    grpc_client_certificates: bool = False
    """Whether every gRPC client must show a certificate. gRPC cannot make it optional."""
    access_file: Path | None = None
    """TOML file of who may call gRPC and HTTP: names, roles, and the SHA-256 of a token or a certificate's
    name. With it, or with `oidc_issuer`, nobody is answered who is not recognised."""
    oidc_issuer: str = ""
    """Issuer of OpenID Connect tokens that are taken, as their `iss` says it."""
    oidc_audience: str = ""
    """What their `aud` must name."""
    oidc_keys: str = ""
    """File or https:// address of the issuer's keys (JWKS); empty asks the issuer where they are."""
    oidc_role_claim: str = "roles"
    """Claim that lists millet-viewer, -reader, -ops or -admin; dots lead into nested ones."""
    oidc_client_id: str = ""
    """This service's name at the issuer, where people sign in with their browsers; empty for no such sign-in.
    It redirects to `/signin/back`."""
    oidc_client_secret_file: Path | None = None
    """File of the secret that goes with it; empty for a public client, which PKCE alone protects."""
    insecure: bool = False
    """Accept gRPC and HTTP ports that others can reach without TLS or without recognising callers: where a
    mesh or a container's network does that."""
    web_hosts: tuple[str, ...] = ()
    """Names by which browsers may address the page; empty for those of loopback where it is bound to it,
    else for any."""
    web_origins: tuple[str, ...] = ()
    """Origins of other sites, such as https://viewer.hospital.example, whose pages may make the calls of
    the gRPC API from a browser: docs/reference/browsers.md. None: those of this service alone may."""
    web_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies before the HTTP port. From them, and from nobody else, X-Forwarded-For
    and X-Forwarded-Proto are believed: who calls, and whether over TLS. None: who connects is the caller."""
    audit_dir: Path | None = None
    """Folder of the audit trail; empty for state_dir/audit. May lie on a volume of its own."""
    grpc_port: int = 50051
    """gRPC port, the customary one."""
    kserve_port: int = 0
    """gRPC port on which a process with the role analyse lends its detectors to others, by the KServe v2
    protocol; 0 for none. Their windows go behind all work of its own: docs/how-to/remote-detector.md."""
    web_port: int = 8080
    """HTTP port: page, metrics and health. Above 1024, which needs no root."""
    metrics_port: int = 0
    """HTTP port of metrics and health alone, for a process of any role, one without the role api above all; 0
    for none. Who reads them is not asked: nothing of a patient is in them."""
    metrics_host: str = "127.0.0.1"
    """Address that this port binds."""
    canary_every_s: float = 0.0
    """How often a process with the role receive sends itself a phantom with known nodules, to see that the
    service finds them; 0 for never. It reaches no destination, worklist or metric of patients:
    docs/how-to/operate.md."""
    traces_to: str = ""
    """OpenTelemetry collector that is sent a trace of every series, `http[s]://HOST:PORT` (OTLP over gRPC);
    empty for none. No patient data is in them. Needs millet[traces]."""
    destination: str = "folder"
    """Where reports go: `folder` (state_dir/reports), `AET@HOST:PORT`, or `none` where `destinations` says
    all. A folder works before any PACS is configured."""
    destinations: tuple[DestinationSection, ...] = ()
    """More destinations, each a table with settings of its own: docs/how-to/destinations.md. None, since one
    is enough for a first trial."""
    archive: tuple[ArchiveSection, ...] = ()
    """Whom we ask for series, by name: priors, gaps, and pulls by UID (`[[archive]]`)."""
    prior_wait_s: float = 10.0
    """How long the report of a complete series waits at most for its prior: for archives with `priors`, and
    for a prior that is analysed again. The search begins with the first instance, so that mostly nothing is
    waited for."""
    prior_again: bool = True
    """Whether a prior that another model read is analysed again by this one, behind all other work and for
    comparison only, where its instances lie in the spool or in an archive with `prior_images`. Off: the
    comparison then is limited."""
    stow: bool = False
    """Whether instances are taken over HTTP too, by DICOMweb STOW-RS at `/studies`, in a process that has the
    roles receive and api. Off: a door that nobody needs stays shut."""
    stow_body_bytes: int = 16_000_000_000
    """Longest body of one such request: some senders put whole studies into one."""
    stow_requests: int = 4
    """Such requests at once; each holds two instances in memory. Further ones are told to come again."""
    grpc_submits: int = 4
    """Callers that submit instances over gRPC at once, in a process that has the roles receive and api; each
    holds a few messages in memory. Further ones are told to come again; with 0 none are taken."""
    grpc_pulls: int = 2
    """Pulls that are asked for over gRPC and run at once, so that an archive is not asked for everything at
    the same time. Further ones wait."""
    model: str = "millet/1"
    """Folder below the models' root: name/version. The trained network that comes with Millet. A called title
    may name another one."""
    model_precision: str = "auto"
    """fp32, fp16 or int8: which of the model's graphs run; bf16: the fp32 one, computing in it, on CPUs that
    can. auto: for a model that was judged in int8 bf16 on a CPU with tiles for it, else int8 on one with 8
    bit instructions; fp16 on a GPU where the model has it; else fp32. One that the model does not have
    refuses to start; the model card tells what each costs, fp32 nothing."""
    models_dir: Path | None = None
    """Root of the models; by default the ones that come with Millet."""
    criteria_dir: Path | None = None
    """Folder of further sets of criteria (`*.toml`), judged and reported beside those that come with Millet:
    docs/how-to/criteria.md. Triage does not follow them."""
    language: str = "en"
    """Language of everything that people read, the page, reports, pictures and messages: `en` or `de`. Logs,
    metrics and names in the API stay English."""
    device: str = "cpu"
    """cpu, cuda (every GPU), cuda:N (one of them) or tensorrt. A device that the model does not run on
    refuses readiness; nothing falls back."""
    remote: str = ""
    """HOST:PORT of a KServe v2 server (Triton's protocol) that runs the model; empty for this machine. Its
    answers must be those of the graph that lies here, else the start is refused."""
    remote_timeout_s: float = 60.0
    """For each call to it."""
    remote_tls: bool = True
    """Whether the way to it is encrypted; without, windows of patients' scans travel in the clear."""
    remote_roots: Path | None = None
    """PEM file of who signs its certificate; by default those that come with gRPC."""
    remote_certificate: Path | None = None
    """PEM file of the certificate that we show it, if it asks for one."""
    remote_key: Path | None = None
    """PEM file of that certificate's key."""
    remote_token_file: Path | None = None
    """File of the bearer token that we send it, if it asks for one."""
    threads: int = 0
    """Threads for inference; 0 for all cores, which suits a machine of its own."""
    stream_bytes: int = 1_500_000_000
    """Memory for series that are worked on while they arrive or wait, 0.5 GB for one of 400 slices; the one
    that came first may take more. What there is no room for waits on disk and loses its head start, nothing
    else."""
    settle_s: float = 2.0
    """Wait after the last association of a whole series is released, in seconds. Senders that open an
    association per instance come back within milliseconds. A series that came in one piece is not waited
    for, unless its sender was seen to come back with more."""
    quiet_s: float = 10.0
    """Silence after which a geometrically whole series is closed although its association is open."""
    gap_wait_s: float = 60.0
    """Silence after which a series with gaps is closed and judged as it is."""
    spool_reserve_bytes: int = 2_000_000_000
    """Free space below which instances are refused with 0xA700; room for the series in hand and the
    reports. Without meaning where spool_url names a bucket."""
    most_instance_bytes: int = 4_000_000_000
    """Largest instance that is taken; a larger one is refused with 0xA700. Room for a multi-frame CT of four
    thousand slices."""
    retry_first_s: float = 5.0
    """First wait before a delivery is tried again; a PACS that only restarts is back soon."""
    retry_longest_s: float = 3600.0
    """Longest wait between two tries, so that a report arrives within the hour once the PACS is back."""
    retry_for_s: float = 7 * 86400.0
    """After this a delivery becomes a dead letter; a PACS may be away for a long weekend."""
    keep_days: float = 0.0
    """How long received instances are kept in the spool after their series ended and its reports arrived; 0
    for ever. A slice that comes later still opens its series again, which then cannot be read."""
    keep_objects_days: float = 0.0
    """How long masks (SEG) and projections (secondary captures) that were made of a series are kept after it
    ended and its reports arrived; 0 for ever. What pages, gRPC, priors and reports need is kept for ever."""
    drain_s: float = 20.0
    """How long a stop waits for work in hand before it leaves the rest to the next start. Below
    Kubernetes' 30 seconds of grace."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR. INFO says what became of each series."""
    show_patient: bool = False
    """Show patient names on the page; off, since worklists are seen by passers-by."""
    show_patient_role: str = "viewer"
    """Role from which on they are shown, with the whole patient ID and birth date on the page of a series:
    viewer, reader, ops or admin. Where nobody is recognised, `show_patient` alone decides."""
    escalate_critical_s: float = 900.0
    """After how long a critical study that nobody acknowledged is overdue: said across the top of the page,
    and counted. 0: never."""
    escalate_urgent_s: float = 3600.0
    """The same for an urgent one."""
    escalate_notable_s: float = 0.0
    """The same for a notable one; by itself never, since those are read in the ordinary order."""
    age_up_s: float = 4 * 3600.0
    """After how long a study without a flag is listed among the notable ones, longest waiting first: no flag
    never means that it may wait for ever. 0: never."""
    backlog_s: float = 600.0
    """How long a complete series may wait for its analysis before the page says across its top that the
    service is behind. 0: never."""
    roles: tuple[str, ...] = field(default=ROLES)
    """The parts of the service that this process runs: receive, analyse, deliver, api. All of them, so
    that one process is a whole service."""
    slot: int = 0
    """Which of several analysers on one machine this is: each needs a number of its own."""

    def __post_init__(self) -> None:
        if mistakes := [*_field_mistakes(self), *_joint_mistakes(self)]:
            raise SettingsError(mistakes)

    @property
    def all_destinations(self) -> tuple[DestinationSection, ...]:
        """The simple one, if there is one, and the others."""
        simple = () if self.destination == "none" else (from_simple(self.destination),)
        return simple + self.destinations


def _field_mistakes(settings: Settings) -> Iterator[str]:
    for one in fields(settings):
        check = CHECKS.get(one.name)
        if check and (mistake := check(getattr(settings, one.name))):
            yield f"{one.name}: {mistake}"


def _joint_mistakes(settings: Settings) -> Iterator[str]:
    ports = [settings.dicom_port, settings.grpc_port, settings.web_port]
    ports += [port for port in (settings.metrics_port, settings.kserve_port) if port]
    if len(set(ports)) < len(ports):
        yield "dicom_port, grpc_port, web_port, metrics_port, kserve_port: each needs a port of its own"
    if settings.retry_longest_s < settings.retry_first_s:
        yield "retry_longest_s: must not be below retry_first_s"
    yield from security_mistakes(settings)
    if mistake := name_mistake([settings.destination, *(one.name for one in settings.destinations)]):
        yield f"destinations: {mistake}"
