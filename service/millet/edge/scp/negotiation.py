"""Association negotiation (PS3.8 9.3), with pynetdicom's codecs: what is asked, and what we answer."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from typing import NamedTuple

from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_acceptor

from millet.codec.part10 import IMPLEMENTATION, IMPLEMENTATION_NAME

VERIFICATION = "1.2.840.10008.1.1"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Preferred where a sender offers a choice: explicit before implicit VR little endian."""
LONGEST_PDU_BYTES = 131_072
"""That we take; DCMTK offers no larger ones."""


class Asked(NamedTuple):
    """An association request."""

    primitive: A_ASSOCIATE
    calling_ae: str
    called_ae: str
    most_bytes: int
    """The longest PDU that the requestor takes; 0 for any."""


def decode(encoded: bytes) -> Asked:
    """Read an A-ASSOCIATE-RQ. Raises ValueError where it is none."""
    try:
        pdu = A_ASSOCIATE_RQ()
        pdu.decode(encoded)
        primitive = pdu.to_primitive()
        most_bytes = primitive.maximum_length_received or 0
        calling, called = (
            str(title or "").strip() for title in (primitive.calling_ae_title, primitive.called_ae_title)
        )
    except Exception as error:  # noqa: BLE001 - the codec raises what it runs into
        raise ValueError(f"no association request: {type(error).__name__}") from None
    return Asked(primitive, calling, called, most_bytes)


def supported(services: Collection[str]) -> list[PresentationContext]:
    """What may be proposed to us: all storage classes, verification, and other services by abstract syntax.

    All storage classes, so that an object that we do not take gets a status of its own in a mixed
    association instead of a rejected context.
    """
    syntaxes = [*UNCOMPRESSED, *(uid for uid in ALL_TRANSFER_SYNTAXES if uid not in UNCOMPRESSED)]
    contexts = [build_context(str(one.abstract_syntax), syntaxes) for one in AllStoragePresentationContexts]
    return [*contexts, *(build_context(uid, list(UNCOMPRESSED)) for uid in (VERIFICATION, *services))]


def accept(asked: Asked, known: list[PresentationContext]) -> tuple[bytes, Mapping[int, tuple[str, str]]]:
    """The A-ASSOCIATE-AC, and the accepted contexts: abstract and transfer syntax by their numbers.

    Raises:
        ValueError: the request cannot be answered.
    """
    primitive = asked.primitive
    try:
        roles = {
            item.sop_class_uid: (item.scu_role, item.scp_role)
            for item in primitive.user_information
            if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.sop_class_uid
        }
        results, answers = negotiate_as_acceptor(primitive.presentation_context_definition_list, known, roles)
        accepted = {
            int(one.context_id or 0): (str(one.abstract_syntax), str(one.transfer_syntax[0]))
            for one in results
            if one.result == 0
        }
        return _encoded(primitive, results, answers), accepted
    except Exception as error:  # noqa: BLE001 - likewise
        raise ValueError(f"the request cannot be answered: {type(error).__name__}") from None


def reject(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return struct.pack(">BBIBBBB", 3, 0, 4, 0, result, source, reason)


def _encoded(
    asked: A_ASSOCIATE,
    results: list[PresentationContext],
    roles: list[SCP_SCU_RoleSelectionNegotiation],
) -> bytes:
    length, implementation, version = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        ImplementationVersionNameNotification(),
    )
    length.maximum_length_received = LONGEST_PDU_BYTES
    implementation.implementation_class_uid = IMPLEMENTATION
    version.implementation_version_name = IMPLEMENTATION_NAME
    answer = A_ASSOCIATE()
    answer.application_context_name = APPLICATION_CONTEXT
    answer.calling_ae_title = asked.calling_ae_title
    answer.called_ae_title = asked.called_ae_title
    answer.result, answer.result_source = 0, 1
    answer.presentation_context_definition_results_list = results
    answer.user_information = [length, implementation, version, *roles]
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(answer)
    return bytes(pdu.encode())
