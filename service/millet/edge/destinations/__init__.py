"""Where reports and notifications go: folder, DICOM, DICOMweb, HTTP, HL7; webhook, mail, worklist."""

from millet.edge.destinations.associating import Line
from millet.edge.destinations.dicom import StorageScu
from millet.edge.destinations.folder import FolderDestination
from millet.edge.destinations.http import HttpDestination
from millet.edge.destinations.mail import Letter, MailDestination, MailServer
from millet.edge.destinations.mllp import MllpDestination
from millet.edge.destinations.posting import Door, Poster
from millet.edge.destinations.review import Images, ReviewDestination
from millet.edge.destinations.rewriting import Rewritten
from millet.edge.destinations.stow import StowDestination
from millet.edge.destinations.tls import TlsFiles
from millet.edge.destinations.webhook import WebhookDestination

__all__ = [
    "Door",
    "FolderDestination",
    "HttpDestination",
    "Images",
    "Letter",
    "Line",
    "MailDestination",
    "MailServer",
    "MllpDestination",
    "Poster",
    "ReviewDestination",
    "Rewritten",
    "StorageScu",
    "StowDestination",
    "TlsFiles",
    "WebhookDestination",
]
