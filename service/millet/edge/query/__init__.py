"""Archives that we are a user of: over DIMSE and DICOMweb, for retrieval and for storage commitment."""

from millet.edge.query.association import Caller, Limits
from millet.edge.query.commitment import CommitmentPeers
from millet.edge.query.dimse import DimseArchive
from millet.edge.query.handing import Handing
from millet.edge.query.http import WebCaller
from millet.edge.query.tls import ClientTls
from millet.edge.query.web import WebArchive

__all__ = [
    "Caller",
    "ClientTls",
    "CommitmentPeers",
    "DimseArchive",
    "Handing",
    "Limits",
    "WebArchive",
    "WebCaller",
]
