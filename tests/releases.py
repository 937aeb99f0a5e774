"""Two releases of the program beside each other: this one, and one that is newer in all that can differ.

The newer one is this checkout's package, copied and changed: it has a version of its own, a migration more,
whose column it reads and writes with every series, and perhaps a newer protocol of durable work.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import millet
from millet.edge.journal.database import newest

PACKAGE = Path(millet.__file__).parent
MODELS = PACKAGE.parents[1] / "models"
REVISION = "9999"
MIGRATION = f'''"""What the newer release adds."""

import sqlalchemy as sa
from alembic import op

revision = "{REVISION}"
down_revision = "{newest()}"


def upgrade():
    """A column more."""
    with op.batch_alter_table("series") as table:
        table.add_column(sa.Column("newer", sa.String(), nullable=False, server_default="as it was"))


def downgrade():
    """A column less."""
    with op.batch_alter_table("series") as table:
        table.drop_column("newer")
'''
BEFORE = '    UniqueConstraint("site", "series_uid"),\n'
COLUMN = '    Column("newer", String, nullable=False, server_default="as it was", default="by the newer"),\n'
SAME_PROTOCOL, NEWER_PROTOCOL = "Version(number=1, oldest=1)", "Version(number=2, oldest=1)"


def newer(folder: Path, protocol: str) -> Mapping[str, str]:
    """The variables of a process that is to run the newer release.

    Args:
        folder: where it is made.
        protocol: its protocol of durable work.
    """
    copied = shutil.copytree(
        PACKAGE, folder / "service" / "millet", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "models").symlink_to(MODELS)
    versions = copied / "edge" / "journal" / "migrations" / "versions"
    (versions / f"m{REVISION}_newer.py").write_text(MIGRATION)
    _change(copied / "__init__.py", f'"{millet.__version__}"', '"9.9.9"')
    _change(
        copied / "edge" / "journal" / "durable.py", f"PROTOCOL = {SAME_PROTOCOL}", f"PROTOCOL = {protocol}"
    )
    _change(copied / "edge" / "journal" / "tables.py", BEFORE, COLUMN + BEFORE)
    return {"PYTHONPATH": str(folder / "service")}


def _change(path: Path, old: str, new: str) -> None:
    """Replace what must be there once."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{path.name}: {old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new), "utf-8")
