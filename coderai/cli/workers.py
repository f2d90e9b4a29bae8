"""Several server processes on the same addresses (SO_REUSEPORT), sharing one database: `--workers N`.

The first process only looks after the others: it passes signals on, starts a worker again that has died, and ends
with them. It makes no loop and no thread, so that a fork of it is as good as a new process.
https://man7.org/linux/man-pages/man7/socket.7.html
"""

import errno
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, NoReturn

import click

from coderai.config import HostPort, Resolved, reload
from coderai.serving import SUPERVISOR_PIPE

# If the first ones die sooner, none can be started at all; what they said on stderr tells why. Later it is that the
# database is down for a while, say: the others go on, and one is started again after so long.
SOONEST_SECONDS = 2.0
# With this code a worker ends whose settings cannot be: a log that cannot be written, say (EX_CONFIG of sysexits.h).
REFUSED = 78
# Of what reloads have read: who mends a mistake seldom needs more.
READS_KEPT = 8
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class CannotBe(click.ClickException):
    """What the settings say is not possible, as it turned out."""


# What a worker does: with these settings, in the place of one that ended with this code, of the first of all None.
Work = Callable[[Resolved, int | None], None]


def supervise(resolved: Resolved, work: Work) -> int:
    """Runs `work` in as many processes as the settings say; returns the exit code once all have ended."""
    with ExitStack() as reserved:
        resolved = _with_ports(resolved, reserved)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        # Whoever holds the other end is this process: a worker that reads its end stops.
        alive, held = os.pipe()
        return _Supervisor(resolved, work, alive, held).run()


class _Supervisor:
    def __init__(self, resolved: Resolved, work: Work, alive: int, held: int) -> None:
        self._read = deque([resolved], READS_KEPT)  # what was read at the start and since: the last first
        self._refused = 0  # so many of the last workers have ended as these settings cannot be
        self._work = work
        self._alive = alive
        self._held = held
        self._stopping = False
        self._code = 0
        self._workers: dict[int, float] = {}  # process id -> started, monotonic
        self._proven = False  # that workers can be started
        # To be started, each in the place of one that ended with this code; what cannot be at once, a little later.
        self._missing: list[int | None] = [None] * resolved.settings.workers
        self._start_missing()

    def run(self) -> int:
        while self._workers or (self._missing and not self._stopping):
            if self._missing and not self._stopping:
                found = signal.sigtimedwait(SIGNALS, SOONEST_SECONDS)
                sign = found.si_signo if found is not None else None
            else:
                sign = signal.sigwait(SIGNALS)
            if sign is None:
                self._start_missing()
            elif sign == signal.SIGCHLD:
                self._reap()
            else:
                if sign == signal.SIGHUP:
                    self._reload()
                else:
                    self._stopping = True
                self._tell(sign)
        return self._code

    def _reload(self) -> None:
        self._refused = 0
        with suppress(Exception):  # the workers tell of it
            self._read.appendleft(reload(self._read[0]).resolved)

    @property
    def _resolved(self) -> Resolved:
        """What a worker begins with: as the others, what was read last, or else what was before it: they may have
        refused it.
        """
        return self._read[self._refused % len(self._read)]

    def _start_missing(self) -> None:
        while self._missing:
            try:
                process = os.fork()
            except OSError as error:  # of a limit or of memory, perhaps not for long: the others go on
                again = f"trying again in {SOONEST_SECONDS:g} s"
                click.echo(f"no worker can be started ({error.strerror}): {again}", err=True)
                return
            if not process:
                self._be_worker(self._missing[0])
            self._workers[process] = time.monotonic()
            del self._missing[0]

    def _be_worker(self, replaced: int | None) -> NoReturn:
        code = 1
        try:
            os.close(self._held)
            os.setpgrp()  # Ctrl-C is this supervisor's to pass on
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS} - {signal.SIGHUP})  # which serving.py lets through
            os.environ[SUPERVISOR_PIPE] = str(self._alive)
            self._work(self._resolved, replaced)
            code = 0
        except click.ClickException as error:
            error.show()
            code = REFUSED if isinstance(error, CannotBe) else error.exit_code
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            os._exit(code)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    return
                self._ended(process, os.waitstatus_to_exitcode(status))

    def _ended(self, process: int, code: int) -> None:
        if process not in self._workers:  # a container's first process is given orphans; a shell leaves its children
            return
        self._refused, code = (self._refused + 1, 1) if code == REFUSED else (0, code)
        now = time.monotonic()
        self._proven = self._proven or any(now - started >= SOONEST_SECONDS for started in self._workers.values())
        seconds = now - self._workers.pop(process)
        if self._stopping:
            self._code = self._code or max(code, 0)
        elif seconds < SOONEST_SECONDS and not self._proven:
            self._code, self._stopping = code if code > 0 else 1, True
            self._tell(signal.SIGTERM)
        else:
            self._missing.append(code)  # and the next one tells of it: here is no log
            if seconds >= SOONEST_SECONDS:
                self._start_missing()

    def _tell(self, sign: int) -> None:
        for process in self._workers:
            os.kill(process, sign)


def _with_ports(resolved: Resolved, reserved: ExitStack) -> Resolved:
    """Addresses that are free, with a port where the settings leave it open; held until the workers have ended."""
    settings = resolved.settings
    changes: dict[str, Any] = {"http_address": _reserve("--http-address", settings.http_address, reserved)}
    if settings.tls_enable:
        changes["tls_address"] = _reserve("--tls-address", settings.tls_address, reserved)
    return replace(resolved, settings=replace(settings, **changes))


def _reserve(option: str, at: HostPort, reserved: ExitStack) -> HostPort:
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            at.host or None, at.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as alone:  # nobody else's, not even another coderai's
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
            port = alone.getsockname()[1]
        held = reserved.enter_context(socket.socket(family, kind))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may still be in TIME_WAIT
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((address[0], port, *address[2:]))
    except OSError as error:
        why = "it is taken by another process" if error.errno == errno.EADDRINUSE else error.strerror
        raise click.ClickException(f"{option} {at}: {why}; give another host:port") from None
    return HostPort(at.host, port)
