from __future__ import annotations

import json
from dataclasses import replace

import analyses
import pytest
from fakes import MemoryJournal
from instances import START_UTC, entry
from notices import URGENT, news

from millet.codec import notice
from millet.core.notification import Change, Identify, reference
from millet.errors import Replaced
from millet.flow.newest import Newest
from millet.ports import KeptObject, Topic


class Recipient:
    """Keeps what it is told."""

    limit_s = 7.0

    def __init__(self):
        self.came = []

    def deliver(self, _delivery, encoded):
        """As ports.Destination."""
        self.came.append(encoded)


class Digests:
    """A queue of a digest whose studies were told of again, or not."""

    def __init__(self, replaced):
        self.replaced = replaced

    def topics(self, _delivery):
        """As ports.DeliveryQueue."""
        return [Topic("default", uid, is_replaced) for uid, is_replaced in self.replaced.items()]


def delivery(journal, kind, instance):
    """What is made of one more generation of a series, taken."""
    came = journal.record(entry(instance, series_uid="1.2.9"))
    journal.close(came.series_id, came.generation, START_UTC)
    work = journal.claim(came.series_id, came.generation)
    made = replace(analyses.analysis(), created_utc=START_UTC)
    journal.commit(work, made, [KeptObject(kind=kind, path="aa", deliver=True)], ["ris"])
    return journal.take("ris", "one", 60.0)


@pytest.mark.parametrize(("kind", "is_sent"), [("hl7-oru", False), ("fhir", True), ("sr", True)])
def test_an_older_result_is_not_sent_after_a_newer_one(kind, is_sent):
    """What has identifiers of its own is sent whatever came since."""
    journal, recipient = MemoryJournal(), Recipient()
    newest = Newest(recipient, journal)
    older = delivery(journal, kind, 1)
    newest.deliver(older, b"1")
    newer = delivery(journal, kind, 2)
    if is_sent:
        newest.deliver(older, b"2")
    else:
        with pytest.raises(Replaced):
            newest.deliver(older, b"2")
    journal.delivered(older)
    newest.deliver(newer or journal.take("ris", "one", 60.0), b"3")
    assert recipient.came == ([b"1", b"2", b"3"] if is_sent else [b"1", b"3"])
    assert newest.limit_s == recipient.limit_s


@pytest.mark.parametrize("old", [[], ["1.2.1"], ["1.2.0", "1.2.2"]], ids=["none", "one", "two"])
def test_a_digest_says_what_is_new_of_its_studies(old):
    """Those of which the recipient was told since are left out."""
    studies = [f"1.2.{number}" for number in range(3)]
    told = [news(URGENT, Change.RAISED, study=uid) for uid in studies]
    encoded = notice.encode("ward", told, Identify.NOTHING, START_UTC)
    recipient = Recipient()
    Newest(recipient, Digests({uid: uid in old for uid in studies})).deliver(None, encoded)
    (sent,) = map(json.loads, recipient.came)
    assert sent["type"] == "studies.digest"
    left = [reference("default", uid) for uid in studies if uid not in old]
    assert [one["reference"] for one in sent["data"]["studies"]] == left


def test_a_digest_of_which_nothing_is_new_is_not_sent():
    """All of its studies were told of since."""
    recipient = Recipient()
    with pytest.raises(Replaced):
        Newest(recipient, Digests({"1.2.1": True, "1.2.2": True})).deliver(None, b"{}")
    assert not recipient.came
