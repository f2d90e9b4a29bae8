"""The life of the server: from its settings to the signal that ends it.

The order of stopping is the reverse of starting: stop accepting; let answers under way finish for a while; cut the
rest; drain the recorder; close the store.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

from coderai.config import Resolved
from coderai.logs import Logger
from coderai.meaning import database, warn
from coderai.server import Server

# A part that fails in a way nobody thought of is started again after so long.
RESTART_SECONDS = 5.0
# How long listening waits for AWS credentials, to spare the first request that wait; no longer, for the sake of the
# other providers.
LONGEST_PREPARATION_S = 3.0
# The number of a pipe whose other end the supervisor holds as long as it lives (cli/workers.py).
SUPERVISOR_PIPE = "CODERAI_SUPERVISOR_PIPE"


async def serve(resolved: Resolved, log: Logger) -> None:
    """Serves until SIGTERM or SIGINT, a second of which ends it at once; SIGHUP reads the settings again.

    Raises CannotServe, BadCertificate, StoreUnavailable.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, _stop, sign, stopping, log)
    if (pipe := os.environ.get(SUPERVISOR_PIPE)) is not None:
        loop.add_reader(int(pipe), _supervisor_gone, int(pipe), stopping)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # what it asks for is being done: the settings are fresh
    async with AsyncExitStack() as stack:
        store = await database(resolved.settings).open(checked=True)
        stack.push_async_callback(store.close)
        server = Server(resolved, store, log)
        stack.push_async_callback(server.close_recorder)
        await server.unspool()
        works = (server.authenticator, server.retention, server.recovery, server.seal_log, server.upstreams)
        for work in works:
            await stack.enter_async_context(_running(work.run, log))
        server.preparing = asyncio.create_task(server.prepare())
        await asyncio.wait([server.preparing], timeout=LONGEST_PREPARATION_S)
        await server.listen()
        warn(resolved.settings, log)
        stack.push_async_callback(server.stop)
        loop.add_signal_handler(signal.SIGHUP, server.reload)
        await stopping.wait()
        await server.drain()


def _supervisor_gone(pipe: int, stopping: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(pipe)
    stopping.set()


def _stop(sign: signal.Signals, stopping: asyncio.Event, log: Logger) -> None:
    if stopping.is_set():
        # Records that are not stored now belong to answers whose end no client has seen.
        log.warn("ended at once by a second signal")
        log.close()
        os._exit(128 + sign)
    stopping.set()


@asynccontextmanager
async def _running(work: Callable[[], Coroutine[None, None, None]], log: Logger) -> AsyncIterator[None]:
    task = asyncio.create_task(_kept_running(work, log))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _kept_running(work: Callable[[], Coroutine[None, None, None]], log: Logger) -> None:
    """Without its heartbeat, or its purge, the server would go on for months and nobody would know."""
    while True:
        try:
            await work()
        except Exception as fault:
            log.fault("a part has failed and is started again", fault, part=work.__qualname__.partition(".")[0])
        await asyncio.sleep(RESTART_SECONDS)
