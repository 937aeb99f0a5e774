"""Who lives, seen through a bucket alone; the clock is moved by hand where silence is judged."""

from __future__ import annotations

import shutil
import time

import pytest

from millet.edge.store.bucket import Bucket, Item
from millet.edge.store.lease import Lease, Times, Watch
from millet.errors import StoreError

TIMES = Times(beat_s=0.1, term_s=2.0, lease_s=3.0, restart_s=0.5, look_s=0.0)
QUICK = Times(beat_s=0.1, term_s=2.0, lease_s=3.0, restart_s=0.2, look_s=0.0)


class Listing:
    """A bucket's listing of leases, and a clock."""

    def __init__(self):
        self.now_s, self.etags, self.away, self.took_s = 100.0, {}, False, 0.0
        self.watch = Watch(self, Times(), lambda: self.now_s)

    def items(self, below):
        """What is listed, which takes its time."""
        assert below == "lease/"
        if self.away:
            raise StoreError("away")
        found = [Item(f"lease/{name}", 9, etag) for name, etag in self.etags.items()]
        self.now_s += self.took_s
        return found

    def after(self, seconds):
        """Who lives some time later."""
        self.now_s += seconds
        return self.watch.living()


def test_a_receiver_that_renews_lives():
    """However long it is watched."""
    listing = Listing()
    for beat in range(20):
        listing.etags["one"] = str(beat)
        assert listing.after(6) == {"one"}


def test_a_receiver_that_is_silent_for_the_lease_is_gone():
    """Counted from when its last sign was first seen, by who watches."""
    listing = Listing()
    listing.etags["one"] = "a"
    assert [bool(listing.after(seconds)) for seconds in (6, 6, 6, 6)] == [True, True, True, False]
    listing.etags["one"] = "b"
    assert listing.after(6) == {"one"}


def test_who_let_go_is_gone_at_once():
    """A lease that is not there is nobody's."""
    listing = Listing()
    listing.etags["one"] = "a"
    assert listing.after(6) == {"one"}
    del listing.etags["one"]
    assert listing.after(6) == frozenset()


def test_silence_while_nothing_could_be_seen_says_nothing():
    """After the bucket was away the silence is counted anew: the receivers could not renew either."""
    listing = Listing()
    listing.etags["one"] = "a"
    listing.after(6)
    listing.away = True
    for _ in range(10):
        with pytest.raises(StoreError):
            listing.after(6)
    listing.away = False
    assert [bool(listing.after(seconds)) for seconds in (6, 6, 6, 6)] == [True, True, True, False]


def test_between_two_looks_nobody_dies():
    """Silence is judged by what was seen, not by time that passed since."""
    listing = Listing()
    listing.watch = Watch(listing, Times(look_s=60.0), lambda: listing.now_s)
    listing.etags["one"] = "a"
    listing.after(0)
    assert listing.after(30) == {"one"}


def test_a_slow_listing_is_counted_for_the_receiver():
    """A sign may be written while it is looked for: it is as young as the end of the look."""
    listing = Listing()
    listing.took_s = 4.0
    listing.etags["one"] = "a"
    assert [bool(listing.after(2)) for _ in range(5)] == [True, True, True, True, False]


def lease(url, folder, times=TIMES, owner="one"):
    """Of a process on a folder."""
    return Lease(Bucket(url).brisk(), owner, folder, times)


def until(reached, within_s=20.0):
    """Wait until something is so."""
    end_s = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_of_two_machines_one_has_the_name(bucket_url, tmp_path):
    """The second is told so at its start, the first goes on; once that let go, the second may."""
    first = lease(bucket_url, tmp_path / "a")
    first.hold()
    with pytest.raises(StoreError, match="slot of its own"):
        lease(bucket_url, tmp_path / "b").hold()
    assert first.term() == 1
    first.release()
    second = lease(bucket_url, tmp_path / "b")
    second.hold()
    assert second.term() == 1
    second.release()


def test_on_one_folder_one_has_the_name(bucket_url, tmp_path):
    """As for a spool in a folder: the lock there says it at once."""
    first = lease(bucket_url, tmp_path)
    first.hold()
    with pytest.raises(StoreError, match="slot of its own"):
        lease(bucket_url, tmp_path).hold()
    first.release()


def test_what_was_killed_is_waited_for_from_elsewhere(bucket_url, tmp_path):
    """A lease that nobody renews is taken over when it ran out, by a process with another folder."""
    Bucket(bucket_url).create("lease/one", b'{"life": "gone", "folder": "elsewhere", "beat": 7}')
    began_s = time.monotonic()
    taken = lease(bucket_url, tmp_path, QUICK)
    taken.hold()
    assert time.monotonic() - began_s >= QUICK.lease_s
    assert taken.term() == 1
    taken.release()


def test_a_copy_of_a_folder_is_not_the_folder(bucket_url, tmp_path, monkeypatch):
    """A machine that was cloned takes nothing from the one that it was cloned from."""
    first = lease(bucket_url, tmp_path / "a")
    first.hold()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "boot").write_text("another machine")
    monkeypatch.setattr("millet.edge.store.lease.BOOT", tmp_path / "boot")
    with pytest.raises(StoreError, match="slot of its own"):
        lease(bucket_url, tmp_path / "b").hold()
    assert first.term() == 1
    first.release()


def test_a_lease_that_is_nonsense_is_one_that_nobody_renews(bucket_url, tmp_path):
    """Whoever wrote that is waited for and taken over."""
    Bucket(bucket_url).create("lease/one", b"[1]")
    taken = lease(bucket_url, tmp_path, QUICK)
    taken.hold()
    taken.release()


def test_a_bucket_that_is_away_ends_the_term(bucket_url, wire, tmp_path):
    """Nothing may be acknowledged after the lease ran out; when the bucket is back, in a new term."""
    held = lease(bucket_url, tmp_path)
    held.hold()
    wire.shut(shut=True)
    until(held.ill)
    with pytest.raises(StoreError, match="run out"):
        held.term()
    wire.heal()
    until(lambda: not held.ill())
    assert held.term() == 2
    held.release()
    assert list(Bucket(bucket_url).items("lease/")) == []


def test_an_answer_that_was_lost_costs_nothing(bucket_url, tmp_path):
    """The lease was renewed and its owner does not know: it finds its own words there, and goes on."""
    held = lease(bucket_url, tmp_path)
    held.hold()
    bucket = Bucket(bucket_url)
    found = bucket.find("lease/one")
    while bucket.replace("lease/one", found.body.replace(b'"beat"', b'"lost"'), found.etag) is None:
        found = bucket.find("lease/one")
    until(lambda: b"lost" not in bucket.find("lease/one").body)
    assert held.term() == 1
    held.release()


def test_a_lease_that_somebody_cleaned_up_is_written_again(bucket_url, tmp_path):
    """A careless hand in the bucket takes nobody's place."""
    held = lease(bucket_url, tmp_path)
    held.hold()
    bucket = Bucket(bucket_url)
    bucket.delete(["lease/one"])
    until(lambda: bucket.find("lease/one"))
    assert held.term() == 1
    held.release()


def test_who_was_taken_over_takes_nothing_more(bucket_url, tmp_path):
    """A receiver that finds another one in its place says so, and leaves that one alone."""
    first = lease(bucket_url, tmp_path)
    first.hold()
    bucket = Bucket(bucket_url)
    while (found := bucket.find("lease/one")) and bucket.replace(
        "lease/one", b'{"life": "other", "folder": "other", "beat": 1}', found.etag
    ) is None:
        pass
    until(lambda: "taken over" in first.ill())
    with pytest.raises(StoreError, match="taken over"):
        first.term()
    first.release()
    assert bucket.find("lease/one") is not None


def test_a_store_without_conditional_writes_is_refused(bucket_url, tmp_path, monkeypatch):
    """Where two could have the same lease nobody gets one."""

    def careless(bucket, key, body):
        bucket.put(key, body, len(body))
        return "etag"

    monkeypatch.setattr(Bucket, "create", careless)
    with pytest.raises(StoreError, match="conditional writes"):
        lease(bucket_url, tmp_path).hold()
