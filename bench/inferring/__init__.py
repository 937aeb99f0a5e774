"""The parts of `bench/inference.py`."""
