"""The composition: the package that names every concrete class and knows what tells whom.

What loads models is loaded when it is asked for: a process that only receives never has torch in its memory.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millet.settings import Settings, load

if TYPE_CHECKING:
    from millet.app.delivering import dead_letters
    from millet.app.loading import load_model, load_models, prove
    from millet.app.pulling import archives, find, pull
    from millet.app.service import Service, run

__all__ = [
    "Service",
    "archives",
    "dead_letters",
    "find",
    "load_model",
    "load_models",
    "prove",
    "pull",
    "run",
    "settings",
]

_MODULES = {
    "Service": "service",
    "archives": "pulling",
    "dead_letters": "delivering",
    "find": "pulling",
    "pull": "pulling",
    "run": "service",
}


def settings(config: Path | None) -> Settings:
    """The configuration from file and environment. Raises SettingsError."""
    return load(os.environ, config)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    return getattr(import_module(f"millet.app.{_MODULES.get(name, 'loading')}"), name)
