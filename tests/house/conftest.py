from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """Find the repository."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def package(root: Path) -> Path:
    """Find the package's folder."""
    return root / "service" / "millet"
