"""One read-only page for people, and metrics and health for machines."""

from millet.edge.web.application import Sources, application
from millet.edge.web.server import WebDoor, WebServer

__all__ = ["Sources", "WebDoor", "WebServer", "application"]
