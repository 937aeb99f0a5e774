"""The tables of the journal, for SQLite and PostgreSQL alike.

Site, issuer, sender and accession are columns from the first day: two hospitals share a patient ID one
day, and keys cannot be changed later. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

from millet.core.analysis import TriageLevel


class Utc(TypeDecorator[datetime]):
    """An aware UTC time, kept without offset, since SQLite knows none."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base class says so
        """Aware in, naive UTC on disk."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base class says so
        """Naive UTC on disk, aware out."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str) -> Column[str]:
    return Column(name, String, nullable=False, server_default="")


ORDER: Mapping[TriageLevel, int] = {level: -rank for rank, level in enumerate(TriageLevel)}
"""What a worklist is sorted by, so that an index holds it: the most urgent comes first."""
UNTOLD = 1
"""Of a series that no analysis tells anything of: last."""

counter = Table(
    "counter",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Two rows. `revision` grows with every change of any series; `oldest` says which code the tables suit."""

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("series_uid", String, nullable=False),
    _text("study_uid"),
    _text("issuer"),
    _text("patient_id"),
    _text("patient_name"),
    _text("birth_date"),
    _text("sex"),
    _text("accession"),
    _text("study_date"),
    _text("description"),
    _text("sender"),
    Column("state", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("first_received_utc", Utc, nullable=False),
    Column("last_received_utc", Utc, nullable=False),
    Column("closed_utc", Utc),
    _text("parked_for"),
    Column("urgency", Integer, nullable=False, server_default="0"),
    _text("analyser"),
    _text("stage"),
    Column("windows_done", Integer, nullable=False, server_default="0"),
    Column("windows_total", Integer, nullable=False, server_default="0"),
    Column("triage_order", Integer, nullable=False, server_default=str(UNTOLD)),
    Column("revision", BigInteger, nullable=False),
    _text("candidate"),
    _text("best_series_uid"),
    _text("best_reason"),
    Column("is_other", Boolean, nullable=False, server_default=false()),
    _text("model_title"),
    Column("acknowledgement_id", Integer),
    UniqueConstraint("site", "series_uid"),
    Index("ix_series_patient", "site", "issuer", "patient_id"),
    Index("ix_series_accession", "site", "accession"),
    Index("ix_series_state", "state"),
    Index("ix_series_revision", "revision"),
    Index("ix_series_study", "study_uid"),
    Index("ix_series_analyser", "analyser", "state"),
    Index("ix_series_worklist", "triage_order", "is_other", "first_received_utc", "id"),
)

instance = Table(
    "instance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series_id", ForeignKey("series.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("site", String, nullable=False),
    Column("sop_instance_uid", String, nullable=False),
    _text("sop_class_uid"),
    _text("transfer_syntax_uid"),
    Column("digest", String, nullable=False),
    Column("path", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    _text("calling_ae"),
    _text("called_ae"),
    Column("received_utc", Utc, nullable=False),
    Column("conflict", Boolean, nullable=False),
    Column("header", Text, nullable=False),
    UniqueConstraint("site", "sop_instance_uid", "digest"),
    Index("ix_instance_series", "series_id", "id"),
    Index("ix_instance_path", "path"),
)

segment = Table(
    "segment",
    metadata,
    Column("name", String, primary_key=True),
    Column("indexed_bytes", BigInteger, nullable=False),
)
"""How far each segment of the spool is indexed: what lies before is journalled."""

analysis = Table(
    "analysis",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series_id", ForeignKey("series.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("outcome", String, nullable=False),
    _text("reason_code"),
    Column("triage", String, nullable=False),
    Column("nodules", Integer, nullable=False),
    Column("model_digest", String, nullable=False),
    Column("configuration_digest", String, nullable=False),
    Column("document", Text, nullable=False),
    Column("created_utc", Utc, nullable=False),
    Column("count_reliable", Boolean, nullable=True),
    _text("grounds"),
    _text("triage_reason"),
    UniqueConstraint("series_id", "generation", "model_digest", "configuration_digest"),
)

made = Table(
    "object",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("analysis_id", ForeignKey("analysis.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("path", String, nullable=False),
    _text("sop_instance_uid"),
    Column("removed_utc", Utc),
    UniqueConstraint("analysis_id", "kind"),
    Index("ix_object_removed", "kind", "removed_utc"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("object_id", ForeignKey("object.id"), nullable=False),
    Column("destination", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_utc", Utc, nullable=False),
    Column("next_try_utc", Utc, nullable=False),
    _text("last_error"),
    Column("done_utc", Utc),
    _text("holder"),
    Column("sent_utc", Utc),
    UniqueConstraint("object_id", "destination"),
    Index("ix_delivery_due", "state", "destination", "next_try_utc"),
    Index("ix_delivery_created", "destination", "created_utc"),
)

topic = Table(
    "topic",
    metadata,
    Column("delivery_id", ForeignKey("delivery.id"), primary_key=True),
    Column("site", String, primary_key=True),
    Column("uid", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Index("ix_topic_same", "uid", "site", "number"),
)
"""What a delivery says the newest of: the studies of a notification, the series of an HL7 result. Of two to
one destination about the same the higher number is the newer, and of equal ones the later delivery."""

recipient = Table(
    "recipient",
    metadata,
    Column("site", String, primary_key=True),
    Column("study_uid", String, primary_key=True),
    Column("destination", String, primary_key=True),
    _text("level"),
    Column("told", Integer, nullable=False, server_default="0"),
    Column("revision", BigInteger, nullable=False),
    Index("ix_recipient_due", "destination", "revision"),
)
"""Who hears of a study: the level told last, how often, and the commit since; 0 once all is told."""

alert = Table(
    "alert",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series_id", ForeignKey("series.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("triage_before", String, nullable=False),
    Column("triage_after", String, nullable=False),
    Column("created_utc", Utc, nullable=False),
    UniqueConstraint("series_id", "generation"),
)
"""A generation whose triage level is another one than that of the generation before."""

prior = Table(
    "prior",
    metadata,
    Column("series_id", ForeignKey("series.id"), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("document", Text, nullable=False),
)
"""What a generation is compared with, settled once (`codec.prior`)."""

reading = Table(
    "reading",
    metadata,
    Column("site", String, primary_key=True),
    Column("series_uid", String, primary_key=True),
    Column("read_by", String, primary_key=True),
    Column("document", Text, nullable=False),
)
"""What was read of an earlier exam for comparison only, by which model and of which instances."""

errand = Table(
    "errand",
    metadata,
    Column("name", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("study_uid", String, nullable=False),
    Column("series_uid", String, nullable=False),
    Column("sop_instance_uid", String, primary_key=True),
    Column("most_bytes", BigInteger, nullable=False),
    Column("until_utc", Utc, nullable=False),
    _text("path"),
    Index("ix_errand_instance", "site", "sop_instance_uid"),
)
"""Instances that an archive was asked to send for comparison only, and where those lie that came."""

sender_habit = Table(
    "sender_habit",
    metadata,
    Column("site", String, primary_key=True),
    Column("calling_ae", String, primary_key=True),
    Column("document", Text, nullable=False),
)
"""What was learned of a sender: how long it pauses, and whether it comes back (`core.habits`)."""

executor = Table(
    "executor",
    metadata,
    Column("executor_id", String, primary_key=True),
    Column("heartbeat_utc", Utc, nullable=False),
    Column("skew_s", Float, nullable=False, server_default="0"),
)
"""Who works: a process that has not been heard of for a while is struck, and leaves its work to others."""
