"""The first shape of the journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make all tables, and the revision they count from."""
    for make in (_counter, _executor, _series, _analysis, _instance, _object, _delivery):
        make()
    op.execute("INSERT INTO counter (name, value) VALUES ('revision', 0)")


def downgrade() -> None:
    """Drop all tables."""
    op.drop_table("delivery")
    op.drop_table("object")
    op.drop_table("analysis")
    op.drop_table("instance")
    op.drop_table("series")
    op.drop_table("executor")
    op.drop_table("counter")


def _counter() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counter")),
    )


def _executor() -> None:
    op.create_table(
        "executor",
        sa.Column("executor_id", sa.String(), nullable=False),
        sa.Column("heartbeat_utc", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("executor_id", name=op.f("pk_executor")),
    )


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("series_uid", sa.String(), nullable=False),
        sa.Column("study_uid", sa.String(), server_default="", nullable=False),
        sa.Column("issuer", sa.String(), server_default="", nullable=False),
        sa.Column("patient_id", sa.String(), server_default="", nullable=False),
        sa.Column("patient_name", sa.String(), server_default="", nullable=False),
        sa.Column("birth_date", sa.String(), server_default="", nullable=False),
        sa.Column("sex", sa.String(), server_default="", nullable=False),
        sa.Column("accession", sa.String(), server_default="", nullable=False),
        sa.Column("study_date", sa.String(), server_default="", nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.Column("sender", sa.String(), server_default="", nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("first_received_utc", sa.DateTime(), nullable=False),
        sa.Column("last_received_utc", sa.DateTime(), nullable=False),
        sa.Column("closed_utc", sa.DateTime(), nullable=True),
        sa.Column("parked_for", sa.String(), server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("site", "series_uid", name=op.f("uq_series_site")),
    )
    op.create_index("ix_series_accession", "series", ["site", "accession"], unique=False)
    op.create_index("ix_series_patient", "series", ["site", "issuer", "patient_id"], unique=False)
    op.create_index("ix_series_revision", "series", ["revision"], unique=False)
    op.create_index("ix_series_state", "series", ["state"], unique=False)
    op.create_index("ix_series_study", "series", ["study_uid"], unique=False)


def _analysis() -> None:
    op.create_table(
        "analysis",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason_code", sa.String(), server_default="", nullable=False),
        sa.Column("triage", sa.String(), nullable=False),
        sa.Column("nodules", sa.Integer(), nullable=False),
        sa.Column("model_digest", sa.String(), nullable=False),
        sa.Column("configuration_digest", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_utc", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_analysis_series_id_series")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis")),
        sa.UniqueConstraint(
            "series_id",
            "generation",
            "model_digest",
            "configuration_digest",
            name=op.f("uq_analysis_series_id"),
        ),
    )


def _instance() -> None:
    op.create_table(
        "instance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(), nullable=False),
        sa.Column("sop_class_uid", sa.String(), server_default="", nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(), server_default="", nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("calling_ae", sa.String(), server_default="", nullable=False),
        sa.Column("called_ae", sa.String(), server_default="", nullable=False),
        sa.Column("received_utc", sa.DateTime(), nullable=False),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_instance_series_id_series")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
        sa.UniqueConstraint("site", "sop_instance_uid", "digest", name=op.f("uq_instance_site")),
    )
    op.create_index("ix_instance_path", "instance", ["path"], unique=False)
    op.create_index("ix_instance_series", "instance", ["series_id"], unique=False)


def _object() -> None:
    op.create_table(
        "object",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("analysis_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analysis.id"], name=op.f("fk_object_analysis_id_analysis")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_object")),
        sa.UniqueConstraint("analysis_id", "kind", name=op.f("uq_object_analysis_id")),
    )


def _delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("object_id", sa.Integer(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_utc", sa.DateTime(), nullable=False),
        sa.Column("next_try_utc", sa.DateTime(), nullable=False),
        sa.Column("last_error", sa.String(), server_default="", nullable=False),
        sa.Column("done_utc", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["object_id"], ["object.id"], name=op.f("fk_delivery_object_id_object")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("object_id", "destination", name=op.f("uq_delivery_object_id")),
    )
    op.create_index("ix_delivery_due", "delivery", ["state", "next_try_utc"], unique=False)
