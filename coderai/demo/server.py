"""The real server as a child process, and the other commands, run as a user would run them.

Contract: secrets go by environment, never by argument; a child that fails or says nothing raises DemoFailed
with its own words; no child outlives the demo.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

START_SECONDS = 30  # a first start on a slow machine compiles everything
STOP_SECONDS = 10
COMMAND_SECONDS = 30
CHUNK_BYTES = 65_536
KEPT_CHARACTERS = 65_536  # of the log, to explain a failure with

COMMAND = (sys.executable, "-m", "coderai")
LISTENING = re.compile(r"listening .*?address=(http://\S+)")
COMPLAINT = re.compile(r" \[(warn|erro)\] ")
Say = Callable[[str], None]


class DemoFailed(Exception):
    """The demo cannot go on; the message says why, in words for the user."""


class Server:
    """`coderai server` while it runs; what it logs is kept until `say` is given, and said from then on."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._log = ""
        self._say: Say | None = None
        self._listening: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())

    async def address(self) -> str:
        try:
            address = await asyncio.wait_for(self._listening, START_SECONDS)
        except TimeoutError:
            raise DemoFailed(f"the server did not start within {START_SECONDS} s:\n{self._log}") from None
        if address is None:
            code = await self._process.wait()
            raise DemoFailed(f"the server ended with exit code {code}:\n{self._log}")
        return address

    def complaints(self) -> str:
        """The warnings and errors that the server has logged."""
        return "\n".join(line for line in self._log.splitlines() if COMPLAINT.search(line))

    async def log_to(self, say: Say) -> None:
        """Say what the server logs from now on, until it ends, which it should not: raises DemoFailed."""
        self._log = ""
        self._say = say
        await self._reading
        raise DemoFailed(f"the server has ended with exit code {await self._process.wait()}")

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stderr is not None
        rest = b""
        while chunk := await self._process.stderr.read(CHUNK_BYTES):
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                self._take(lines.decode(errors="replace"))
        if not self._listening.done():
            self._listening.set_result(None)  # it will not listen any more

    def _take(self, lines: str) -> None:
        if self._say:
            self._say(lines)
            return
        self._log = (self._log + lines + "\n")[-KEPT_CHARACTERS:]
        if not self._listening.done() and (found := LISTENING.search(self._log)):
            self._listening.set_result(found[1])


@asynccontextmanager
async def running_server(environment: Mapping[str, str]) -> AsyncIterator[Server]:
    # A session of its own: Ctrl-C is the demo's, which then ends the server in good order.
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "server",
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    server = Server(process)
    try:
        yield server
    finally:
        await server.stop()


async def command(environment: Mapping[str, str], *arguments: str) -> str:
    """What a command printed; raises DemoFailed with what it complained of."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    except TimeoutError:
        raise DemoFailed(f"coderai {' '.join(arguments)} did not end within {COMMAND_SECONDS} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise DemoFailed(f"coderai {' '.join(arguments)}: {err.decode(errors='replace').strip()}")
    return out.decode().strip()
