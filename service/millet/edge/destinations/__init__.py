"""Where reports go: a folder, a DICOM peer, a DICOMweb server, an HTTP server, an HL7 listener."""

from millet.edge.destinations.dicom import StorageScu
from millet.edge.destinations.folder import FolderDestination
from millet.edge.destinations.http import HttpDestination
from millet.edge.destinations.mllp import MllpDestination
from millet.edge.destinations.posting import Door, Poster
from millet.edge.destinations.stow import StowDestination
from millet.edge.destinations.tls import TlsFiles

__all__ = [
    "Door",
    "FolderDestination",
    "HttpDestination",
    "MllpDestination",
    "Poster",
    "StorageScu",
    "StowDestination",
    "TlsFiles",
]
