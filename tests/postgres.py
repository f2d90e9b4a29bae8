"""A real PostgreSQL server, started by the tests themselves: from the package pgserver, else Debian's.

`CODERAI_TEST_PG_URL` names one that runs already; faults need one of our own.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

START_S = 30
_numbers = count(1)


def binaries() -> Path | None:
    """The folder with `postgres` and `initdb`."""
    found = importlib.util.find_spec("pgserver")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "pginstall" / "bin"
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Postgres:
    """A server with data of its own, on a port of its own."""

    def __init__(self) -> None:
        bin = binaries()
        assert bin is not None, "PostgreSQL is missing: pip install pgserver, or apt-get install postgresql"
        self._folder = Path(tempfile.mkdtemp(prefix="coderai-postgres-"))
        self._bin = bin
        self._user: dict[str, int] = {}
        if os.geteuid() == 0:  # postgres refuses to run as root, and others may not be let into our folders
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
            if not bin.is_relative_to("/usr"):
                packages, copied = bin.parents[2], self._folder / "packages"
                for part in ("pgserver/pginstall", "pgserver.libs"):  # which it finds beside itself
                    shutil.copytree(packages / part, copied / part, symlinks=True)
                self._bin = copied / "pgserver/pginstall/bin"
            self._folder.chmod(0o755)
        self._data = self._folder / "data"
        self._data.mkdir(mode=0o700)
        if self._user:
            os.chown(self._data, self._user["user"], self._user["group"])
        initdb = [self._bin / "initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]
        done = subprocess.run(initdb, capture_output=True, cwd="/", check=False, **self._user)
        assert done.returncode == 0, done.stderr
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://postgres:hush-password@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        settings = (f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._data}")
        command = [self._bin / "postgres", "-D", self._data]
        for setting in (*settings, "max_connections=200", "shared_buffers=64MB"):
            command += ["-c", setting]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._user)
        waiting = threading.Event()
        for _ in range(START_S * 100):
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                waiting.wait(0.01)  # polls a port: there is nothing to wait on
        raise AssertionError("PostgreSQL does not start")

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once, in order ("fast"); SIGKILL: the postmaster dies, its children find out."""
        self._process.send_signal(sign)
        self._process.wait(30)

    def freeze(self) -> None:
        for pid in self._all():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._all():
            os.kill(pid, signal.SIGCONT)

    def _all(self) -> list[int]:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [self._process.pid, *map(int, children)]

    def close(self) -> None:
        if self._process.poll() is None:
            self.thaw()  # a test may have failed amid its fault
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def fresh(url: str, options: str = "") -> str:
    """The URL of a new, empty database on that server."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} {options}")
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def drop(url: str) -> None:
    base = urlunsplit(urlsplit(url)._replace(path="/postgres"))
    with psycopg.connect(base, autocommit=True) as server:
        server.execute(f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")
