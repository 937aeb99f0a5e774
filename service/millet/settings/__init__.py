"""The configuration: what may be set, and how it is read."""

from millet.settings.archives import ArchiveSection
from millet.settings.checks import DEVICES, LOG_LEVELS, ROLES
from millet.settings.destinations import DestinationSection
from millet.settings.reading import NOT_SETTINGS, PREFIX, load
from millet.settings.settings import Settings

__all__ = [
    "DEVICES",
    "LOG_LEVELS",
    "NOT_SETTINGS",
    "PREFIX",
    "ROLES",
    "ArchiveSection",
    "DestinationSection",
    "Settings",
    "load",
]
