"""The tables of Storage Commitment: transactions of others, and questions of ours."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from millet.edge.journal.tables import Utc, metadata

promise = Table(
    "promise",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String, nullable=False),
    Column("calling_ae", String, nullable=False),
    Column("transaction_uid", String, nullable=False),
    Column("document", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("asked_utc", Utc, nullable=False),
    Column("next_try_utc", Utc, nullable=False),
    Column("last_error", String, nullable=False, server_default=""),
    UniqueConstraint("site", "calling_ae", "transaction_uid"),
    Index("ix_promise_due", "state", "next_try_utc"),
)
"""A transaction that another asked; `document` holds its references as JSON."""

question = Table(
    "question",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("delivery_id", Integer, nullable=False),
    Column("transaction_uid", String, nullable=False),
    Column("answer", String, nullable=False, server_default=""),
    Column("asked_utc", Utc, nullable=False),
    Column("answered_utc", Utc),
    UniqueConstraint("transaction_uid"),
    Index("ix_question_delivery", "delivery_id"),
)
"""Whether a destination keeps what a delivery brought; `answer` is empty, `kept` or `failed`."""
