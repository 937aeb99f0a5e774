from __future__ import annotations

from io import BytesIO

import pytest
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from millet.edge.replies import leave_replies


@pytest.fixture
def provider():
    """The messages of an association that was never opened."""
    association = Association(AE(), "requestor")
    association.dimse_timeout = 30
    leave_replies(association)
    yield association.dimse
    association.kill()


def answer() -> C_STORE:
    """A success."""
    made = C_STORE()
    made.MessageIDBeingRespondedTo, made.Status = 1, 0
    return made


def request() -> C_STORE:
    """An instance that the peer sends."""
    made = C_STORE()
    made.MessageID, made.AffectedSOPClassUID, made.AffectedSOPInstanceUID = 2, "1.2.840.10008.1.1", "1.2.3"
    made.Priority, made.DataSet = 0, BytesIO(b"an instance")
    return made


def test_an_answer_is_left_to_whoever_waits(provider):
    """The thread that looks in passing does not take it, however often it looks."""
    provider.msg_queue.put((1, told := answer()))
    assert [provider.get_msg() for _ in range(3)] == [(None, None)] * 3
    assert provider.get_msg(block=True) == (1, told)


def test_the_end_of_an_association_is_left_to_whoever_waits(provider):
    """What pynetdicom puts there when the connection ends wakes the sender."""
    provider.msg_queue.put((None, None))
    assert provider.get_msg() == (None, None)
    assert provider.msg_queue.qsize() == 1


def test_a_request_of_the_peer_is_served(provider):
    """An event report may come on the association of its action, and is taken by that thread."""
    asked = request()
    provider.msg_queue.put((3, asked))
    assert provider.get_msg() == (3, asked)
    assert provider.get_msg() == (None, None)
