"""The triage page for people, and metrics and health for machines."""

from millet.edge.web.server import WatchServer, WebDoor, WebServer
from millet.edge.web.sources import Sources
from millet.edge.web.stow import Stow
from millet.edge.web.voice import Voice

__all__ = ["Sources", "Stow", "Voice", "WatchServer", "WebDoor", "WebServer"]
