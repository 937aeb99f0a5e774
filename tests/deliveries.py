"""A delivery as destinations are given it."""

from __future__ import annotations

from instances import START_UTC

from millet.ports import Delivery

DELIVERY = Delivery(
    delivery_id=1,
    destination="PACS@127.0.0.1:104",
    kind="sr",
    path="aa/bb",
    sop_instance_uid="1.2.3",
    site="default",
    study_uid="1.2.840.1",
    series_uid="1.2.840.1.7",
    generation=1,
    created_utc=START_UTC,
    attempts=0,
)
