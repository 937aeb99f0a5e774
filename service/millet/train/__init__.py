"""How the models in `models/` are made."""
