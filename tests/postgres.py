"""A real PostgreSQL server for tests: Debian's, in a folder of its own, gone at the end.

It listens on loopback and a socket, keeps nothing that must survive a power cut, and asks for a password.
Each test takes databases of its own from it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType

import pytest
import sqlalchemy as sa
from ports import free_port

from millet.edge.journal import DurableWork, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.journal.tables import metadata

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/15/bin"))
PASSWORD = "sesame-4711"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "timezone": "Asia/Kathmandu",  # where a forgotten zone shows
}


class Postgres:
    """One server. What it is to do otherwise than `SETTINGS` says may be given."""

    def __init__(self, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self._settings = SETTINGS | settings
        self._folder = Path(tempfile.mkdtemp(prefix="millet-pg-", dir="/tmp"))
        self._data = self._folder / "data"
        self._number = count()
        self._journal = self._work = ""
        self.port = free_port()
        (secret := self._folder / "secret").write_text(PASSWORD)
        _give_away(self._folder, secret)
        self._program(
            "initdb", "--username=millet", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync", "-N"
        )
        self.start()

    def start(self) -> None:
        """Start, and wait until it serves."""
        told = self._settings | {"port": str(self.port), "unix_socket_directories": str(self._folder)}
        options = " ".join(f"-c {name}={value}" for name, value in told.items())
        self._program("pg_ctl", "start", "-w", "-s", "-o", options, "-l", str(self._folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stop: "fast" breaks connections, "immediate" is a crash."""
        self._program("pg_ctl", "stop", "-w", "-s", "-m", mode)

    def freeze(self) -> None:
        """Have it answer nothing, as a host that hangs."""
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        os.kill(self._pid(), signal.SIGCONT)

    def url(self, database: str = "postgres", port: int | None = None) -> str:
        """The URL of a database; through another port, if there is a proxy."""
        return f"postgresql+psycopg://millet:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def fresh(self, template: str = "template0") -> str:
        """The name of a new database, empty or like another one."""
        name = f"test_{next(self._number)}"
        engine = sa.create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
        engine.dispose()
        return name

    def emptied(self) -> str:
        """The name of a database with the journal's tables and no row: the same one each time."""
        if not self._journal:
            self._journal = self.fresh()
            migrate(engine := open_engine(self.url(self._journal)))
            engine.dispose()
        engine = sa.create_engine(self.url(self._journal))
        with engine.begin() as connection:
            names = ", ".join(set(metadata.tables) - {"counter"})
            connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY"))
        engine.dispose()
        return self._journal

    def with_work(self) -> str:
        """The name of a new database with no row, and with the tables of durable work."""
        if not self._work:
            self._work = self.fresh()
            migrate(engine := open_engine(self.url(self._work)))
            DurableWork(engine, "none").stop()
            engine.dispose()
        return self.fresh(self._work)

    def end(self) -> None:
        """Stop, and remove everything."""
        self.stop()
        shutil.rmtree(self._folder)

    def _pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _program(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, which refuse root, as the user of the data."""
        command = [str(PROGRAMS / name), *arguments]
        who = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run(
            command,
            check=True,
            cwd=self._folder,
            env=os.environ | {"PGDATA": str(self._data), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **who,
        )


def _give_away(*paths: Path) -> None:
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this run of tests."""
    made = Postgres()
    yield made
    made.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "journal.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.url(server.fresh())


@pytest.fixture
def new_journal(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Makes a journal of a kind, migrated, with no row, and tells its URL. One a test."""

    def make(kind: str) -> str:
        if kind == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            return server.url(server.emptied())
        migrate(engine := open_engine(url := sqlite_url(tmp_path / "journal.db")))
        engine.dispose()
        return url

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, new_journal: Callable[[str], str]) -> str:
    """A journal of either kind."""
    return new_journal(request.param)


@pytest.fixture(params=["sqlite", "postgresql"])
def work_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of either kind for durable work."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "work.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.url(server.with_work())
