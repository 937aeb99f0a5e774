"""The composition: the package that names every concrete class and knows what tells whom."""

from millet.app.loading import load_model, load_models, prove, settings
from millet.app.pulling import archives, find, pull
from millet.app.service import Service, run

__all__ = ["Service", "archives", "find", "load_model", "load_models", "prove", "pull", "run", "settings"]
