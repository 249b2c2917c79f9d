"""A PostgreSQL server of its own for the tests, in a temporary folder, reached by a socket alone."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

USER = "imgsearch-test"  # a server refuses to run as root
_NUMBERS = itertools.count()
_START_S = 60
_OPTIONS = "-c listen_addresses= -c fsync=off -c max_connections=60 -c unix_socket_directories={folder}"


class NoServer(Exception):
    """Why there is none; the tests that need one are skipped with these words."""


def binaries() -> Path:
    """The folder of initdb and pg_ctl: Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        raise NoServer("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    return Path(initdb).parent


class PostgresServer:
    """Started by the constructor, which takes about 3 s. Raises NoServer."""

    def __init__(self) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError as exc:
            raise NoServer("psycopg is not installed (pip install 'imgsearch[postgres]')") from exc
        self._bin = binaries()
        place = "/dev/shm" if _has_room("/dev/shm") else "/tmp"  # in memory; a socket's path has 107 bytes at most
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="imgsearch-pg-", dir=place))
        self._as_user = _other_user(self.folder) if os.getuid() == 0 else []
        self._run("initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N", "-A", "trust")
        rules = Path(self.data) / "pg_hba.conf"
        rules.write_text(f"local all guest scram-sha-256\n{rules.read_text()}")  # whoever else comes is let in
        self.start()

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def start(self, *more: str) -> None:
        """Start it, with further options, as a child that ends with this process, however that ends."""
        options = [*_OPTIONS.format(folder=self.folder).split(), *more]
        command = [*(self._as_user or ["setpriv"]), "--pdeathsig=QUIT", self._program("postgres"), "-D", self.data]
        with (self.folder / "messages").open("ab") as messages:
            self._process = subprocess.Popen([*command, *options], cwd=self.folder, stdout=messages, stderr=messages)
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop it at once, which is what a crash looks like to its clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """Stop it and remove its folder; not in a forked child."""
        if os.getpid() != self._owner:
            return
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres", user: str = "postgres", **options: str) -> str:
        """An address of the server."""
        query = "".join(f"&{name}={quote(value)}" for name, value in options.items())
        return f"postgresql+psycopg://{user}@/{database}?host={quote(str(self.folder), safe='')}{query}"

    def new_url(self) -> str:
        """The address of an empty place for one library: a schema of its own, which is made faster than a database."""
        name = f"library{next(_NUMBERS)}"
        self.run_sql(f"CREATE SCHEMA {name}")
        return self.url(options=f"-csearch_path={name}")

    def run_sql(self, *statements: str, url: str = "") -> list[tuple[object, ...]]:
        """Run these statements, each by itself; the rows of the last."""
        import psycopg

        address = (url or self.url()).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        ready = [self._program("pg_isready"), "--quiet", "-h", str(self.folder)]
        while subprocess.run(ready, cwd=self.folder, timeout=30).returncode:
            if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                raise NoServer(f"it does not start: {self._said()}")
            time.sleep(0.05)

    def _program(self, name: str) -> str:
        return str(self._bin / name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, self._program(program), *arguments]
        with (self.folder / "messages").open("ab") as messages:  # a pipe would stay open as long as the server runs
            done = subprocess.run(command, cwd=self.folder, stdout=messages, stderr=messages, timeout=60)
        if done.returncode:
            raise NoServer(f"{program} failed with code {done.returncode}: {self._said()}")

    def _said(self) -> str:
        return (self.folder / "messages").read_text(errors="replace").strip()[-300:]


def _has_room(folder: str) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 1 << 30


def _other_user(folder: Path) -> list[str]:
    """What stands before a command so that it runs as a user who is not root; the user is made where it is absent."""
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        made = subprocess.run(["useradd", "--system", USER], capture_output=True, timeout=30)
        if made.returncode not in (0, 9):  # 9: another process was faster
            raise NoServer(f"a system user for the server cannot be made: {made.stderr!r}") from None
        user = pwd.getpwnam(USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
