"""Who may come in: every rule lets in whom it names, and nobody else."""

import pytest

from millet.core.canary import NAME, TITLE
from millet.core.doors import (
    ANY,
    USUAL,
    Called,
    Caller,
    Certificate,
    Known,
    Refusal,
    Rules,
    Welcome,
    Why,
    is_loopback,
    judge,
    named,
    within,
)
from millet.core.turns import EMERGENCY, ROUTINE

SHOWN = Certificate(common_name="ct1.hospital.example", sha256="ab" * 32)
COLONS = ":".join(["AB"] * 32)


def caller(calling_ae="CT1", address="10.1.2.3", called_ae="MILLET", certificate=None) -> Caller:
    """Somebody who asks."""
    return Caller(calling_ae=calling_ae, called_ae=called_ae, address=address, certificate=certificate)


def refused(asks: Caller, rules: Rules) -> Why | None:
    """Why somebody is refused, None for whom is let in."""
    answer = judge(asks, rules)
    return answer.why if isinstance(answer, Refusal) else None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", None),
        ("127.8.8.8", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("10.1.2.3", Why.NOBODY_NAMED),
        ("::ffff:10.1.2.3", Why.NOBODY_NAMED),
        ("", Why.NOBODY_NAMED),
        ("localhost", Why.NOBODY_NAMED),
    ],
)
def test_where_nobody_is_named_only_this_machine_comes_in(address, why):
    """A first trial works on one machine; from any other the refusal says what to configure."""
    answer = judge(caller(address=address), Rules())
    assert refused(caller(address=address), Rules()) == why
    if why:
        assert "[[peer]]" in answer.words
        assert "known_peers" in answer.words


def test_as_soon_as_somebody_is_named_this_machine_is_no_exception():
    """Loopback is let in by a rule or not at all."""
    rules = Rules(peers=named(["CT1"]))
    assert refused(caller("CT2", "127.0.0.1"), rules) is Why.CALLING_TITLE
    assert refused(caller("CT1", "127.0.0.1"), rules) is None


@pytest.mark.parametrize(
    ("asks", "why"),
    [
        (caller("CT1", "10.1.2.3"), None),
        (caller("CT1", "::ffff:10.1.2.3"), None),
        (caller("CT1", "192.168.7.7"), None),
        (caller("CT1", "10.2.0.1"), Why.ADDRESS),
        (caller("CT1", "fe80::1%eth0"), Why.ADDRESS),
        (caller("CT1", "no address"), Why.ADDRESS),
        (caller("ct1", "10.1.2.3"), Why.CALLING_TITLE),
        (caller("", "10.1.2.3"), Why.CALLING_TITLE),
        (caller("*", "10.1.2.3"), Why.CALLING_TITLE),
    ],
)
def test_a_peer_comes_in_from_its_own_addresses_alone(asks, why):
    """Networks and single addresses, in either version of IP; a title in another spelling is another."""
    rules = Rules(peers=(Known(ae_title="CT1", addresses=("10.1.0.0/16", "192.168.7.7")),))
    assert refused(asks, rules) is why


@pytest.mark.parametrize("must", ["ct1.hospital.example", "ab" * 32, COLONS])
@pytest.mark.parametrize(
    ("shows", "why"),
    [
        (SHOWN, None),
        (None, Why.CERTIFICATE),
        (Certificate(common_name="ct2.hospital.example", sha256="cd" * 32), Why.CERTIFICATE),
        (Certificate(common_name="", sha256=""), Why.CERTIFICATE),
    ],
    ids=["its own", "none", "another's", "an empty one"],
)
def test_a_peer_with_a_certificate_comes_in_with_it_alone(must, shows, why):
    """By subject common name or by fingerprint, however it is written."""
    rules = Rules(peers=(Known(ae_title="CT1", certificate=must),))
    assert refused(caller(certificate=shows), rules) is why


def test_a_common_name_that_looks_like_a_fingerprint_is_none():
    """Nobody gets in by naming itself after another's certificate."""
    rules = Rules(peers=(Known(ae_title="CT1", certificate="ab" * 32),))
    forged = Certificate(common_name="ab" * 32, sha256="cd" * 32)
    assert refused(caller(certificate=forged), rules) is Why.CERTIFICATE


def test_two_scanners_of_one_title_are_two_peers():
    """Address and certificate must be of the same one: halves of two do not make a whole."""
    other = Certificate(common_name="b", sha256="cd" * 32)
    rules = Rules(
        peers=(
            Known(ae_title="CT1", addresses=("10.1.0.0/16",), certificate="ct1.hospital.example"),
            Known(ae_title="CT1", addresses=("10.2.0.0/16",), certificate="b"),
        )
    )
    assert refused(caller(address="10.1.0.1", certificate=SHOWN), rules) is None
    assert refused(caller(address="10.2.0.1", certificate=other), rules) is None
    assert refused(caller(address="10.2.0.1", certificate=SHOWN), rules) is Why.CERTIFICATE


def test_a_range_may_be_named_without_a_title_but_not_everybody():
    """`*` with addresses is whoever calls from there; alone it is a mistake."""
    rules = Rules(peers=(Known(ae_title=ANY, addresses=("172.16.0.0/12",)),))
    assert refused(caller("ANYTHING", "172.17.0.1"), rules) is None
    assert refused(caller("ANYTHING", "172.32.0.1"), rules) is Why.ADDRESS
    with pytest.raises(ValueError, match="anybody"):
        Known(ae_title=ANY)


def test_each_called_title_has_its_own_peers_urgency_and_destinations():
    """Who may call it, what it means for its series, and where their reports go."""
    rules = Rules(
        peers=named(["CT1", "ER"]),
        called=(
            Called(ae_title="MILLET"),
            Called(ae_title="STAT", urgency=EMERGENCY, destinations=("er",), peers=("ER",)),
        ),
    )
    assert refused(caller("CT1", called_ae="STAT"), rules) is Why.NOT_AT_THIS_TITLE
    assert refused(caller("CT1", called_ae="OTHER"), rules) is Why.CALLED_TITLE
    assert judge(caller("ER", called_ae="STAT"), rules) == Welcome(policy=rules.called[1])
    assert [rules.urgency("CT1", title) for title in ("MILLET", "STAT")] == [ROUTINE, EMERGENCY]
    usual = ("pacs", "folder")
    assert [rules.destinations(title, usual) for title in ("MILLET", "STAT", "OLD")] == [
        usual,
        ("er",),
        usual,
    ]


def test_a_called_title_may_name_a_model():
    """Which model of which title, also where the title stands for all others; else the usual one."""
    rules = Rules(
        called=(
            Called(ae_title="MILLET"),
            Called(ae_title="CHILD", model="small/2"),
            Called(ae_title=ANY, model="big/1"),
        )
    )
    titles = {title: rules.model_title(title) for title in ("MILLET", "CHILD", "WHATEVER")}
    assert titles == {"MILLET": USUAL, "CHILD": "CHILD", "WHATEVER": ANY}
    assert rules.models == {"CHILD": "small/2", ANY: "big/1"}
    assert Rules(called=(Called(ae_title="CHILD", model="small/2"),)).model_title("GONE") == USUAL
    assert (Rules().model_title("MILLET"), Rules().models) == (USUAL, {})


def test_a_called_title_may_take_reports_to_be_judged():
    """No other does, nor what came by other ways."""
    rules = Rules(called=(Called(ae_title="MILLET"), Called(ae_title="JUDGE", judges=True)))
    assert [title for title in ("MILLET", "JUDGE", "ELSEWHERE", "") if rules.judges(title)] == ["JUDGE"]


def test_urgency_comes_from_the_peer_the_title_or_the_list():
    """The most urgent of the three counts, also for a title that is not there any more."""
    rules = Rules(
        peers=(Known(ae_title="ER", urgency=EMERGENCY), Known(ae_title="CT1")),
        called=(Called(ae_title="MILLET"),),
        emergencies=frozenset({"CT3"}),
    )
    urgencies = {title: rules.urgency(title, "MILLET") for title in ("ER", "CT1", "CT3", "CT4")}
    assert urgencies == {"ER": EMERGENCY, "CT1": ROUTINE, "CT3": EMERGENCY, "CT4": ROUTINE}
    assert rules.urgency("ER", "GONE") == EMERGENCY
    assert rules.urgency("CT1", "GONE") == ROUTINE


def test_without_a_list_of_called_titles_any_is_taken():
    """Senders often have another title, and it protects nothing."""
    assert refused(caller(address="127.0.0.1", called_ae="ANY-SCP"), Rules()) is None


def test_a_rejection_says_which_of_the_two_titles_is_not_known():
    """Rejected for good, by the user; reason 7 for the called title, 3 for the caller (PS3.8 9.3.4)."""
    codes = {why: Refusal(why=why, words="").codes for why in Why}
    of_called = {why for why, code in codes.items() if code == (1, 1, 7)}
    assert of_called == {Why.CALLED_TITLE, Why.NOT_AT_THIS_TITLE}
    assert {code for why, code in codes.items() if why not in of_called} == {(1, 1, 3)}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Known(ae_title="SEVENTEENLETTERSX"), "longer than 16"),
        (lambda: Known(ae_title="CT1", addresses=("10.1.2.3/16",)), "no network"),
        (lambda: Known(ae_title="CT1", addresses=("scanner",)), "no network"),
        (lambda: Rules(called=(Called(ae_title="A"), Called(ae_title="A"))), "twice"),
        (lambda: Rules(called=(Called(ae_title="A", peers=("NOBODY",)),)), "no peer"),
    ],
)
def test_rules_that_make_no_sense_are_no_rules(make, says):
    """A mistake is found before anybody calls."""
    with pytest.raises(ValueError, match=says):
        make()


def test_networks_know_their_addresses_in_both_versions():
    """An IPv4 address that came over an IPv6 socket is itself; rubbish lies nowhere."""
    assert within("2001:db8::7", "2001:db8::/64")
    assert not within("2001:db9::7", "2001:db8::/64")
    assert not within("10.0.0.1", "2001:db8::/64")
    assert not within("10.0.0.1; drop", "10.0.0.0/8")
    assert not is_loopback("128.0.0.1")


@pytest.mark.parametrize(
    ("asks", "why"),
    [
        (caller(TITLE, "127.0.0.1", TITLE), None),
        (caller(TITLE, "10.9.9.9", TITLE), None),
        (caller(TITLE, "10.1.2.3", TITLE), Why.NOT_AT_THIS_TITLE),
        (caller("CT1", "127.0.0.1", TITLE), Why.NOT_AT_THIS_TITLE),
        (caller("CT1", "10.1.2.3", TITLE), Why.NOT_AT_THIS_TITLE),
        (caller(TITLE, "127.0.0.1", "MILLET"), Why.NOT_AT_THIS_TITLE),
    ],
)
def test_the_canarys_title_is_for_this_machine_alone(asks, why):
    """No scanner comes in under it or is taken for it, whatever else is configured."""
    for rules in (
        Rules(canary_from="10.9.9.9"),
        Rules(peers=named(["CT1"]), canary_from="10.9.9.9"),
        Rules(called=(Called(ae_title="MILLET"),), canary_from="10.9.9.9"),
    ):
        assert refused(asks, rules) is why


def test_the_canarys_reports_go_to_the_canary_and_nobody_elses_do():
    """Its title has a policy of its own; every other title leaves that destination out."""
    rules = Rules(called=(Called(ae_title=ANY, urgency=EMERGENCY),))
    usual = ("folder", "PACS", NAME)
    assert rules.destinations(TITLE, usual) == (NAME,)
    assert rules.destinations("MILLET", usual) == ("folder", "PACS")
    assert rules.urgency(TITLE, TITLE) == ROUTINE
    assert rules.model_title(TITLE) == USUAL
