"""One read-only page for people, and metrics and health for machines."""

from millet.edge.web.application import Sources, application
from millet.edge.web.server import WebDoor, WebServer
from millet.edge.web.stow import Stow

__all__ = ["Sources", "Stow", "WebDoor", "WebServer", "application"]
