"""The composition: the package that names every concrete class and knows what tells whom."""

from millet.app.delivering import dead_letters
from millet.app.loading import load_model, load_models, prove, settings
from millet.app.service import Service, run

__all__ = ["Service", "dead_letters", "load_model", "load_models", "prove", "run", "settings"]
