"""The life of the server: from its settings to the signal that ends it.

The order of stopping is the reverse of starting: stop accepting; let answers under way finish for a while; cut the
rest; drain the recorder; close the store.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from aiohttp import web

from coderai.config import Resolved
from coderai.dumps import BadFolder
from coderai.logs import Logger
from coderai.meaning import check_dumps, database, warn
from coderai.server import CannotServe, Server
from coderai.spool import BadSpool
from coderai.store import StoreUnavailable

# A part that fails in a way nobody thought of is started again after so long.
RESTART_SECONDS = 5.0
# How long listening waits for AWS credentials, to spare the first request that wait; no longer, for the sake of the
# other providers.
LONGEST_PREPARATION_S = 3.0
# What was relayed of an answer is read though its client has gone or was cut off: hundreds of thousands of events take
# some seconds. What takes longer is left for others to end, as a dead process's is.
LONGEST_READING_S = 10.0
ENDING = (signal.SIGTERM, signal.SIGINT)
# Whoever signals a process and then its group, as `timeout` and some shells do, means one signal.
ONE_SIGNAL_S = 0.05
# The number of a pipe whose other end the supervisor holds as long as it lives (cli/workers.py).
SUPERVISOR_PIPE = "CODERAI_SUPERVISOR_PIPE"


async def serve(resolved: Resolved, log: Logger) -> None:
    """Serves until SIGTERM or SIGINT, a second of which ends it at once; SIGHUP reads the settings again.

    Raises CannotServe, BadCertificate, StoreUnavailable.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in ENDING:
        loop.add_signal_handler(sign, _signalled, stopping, log)
    if (pipe := os.environ.get(SUPERVISOR_PIPE)) is not None:
        loop.add_reader(int(pipe), _supervisor_gone, int(pipe), stopping)
    early = asyncio.Event()  # a SIGHUP before the settings can be read again; until here it was held: cli/first.py
    loop.add_signal_handler(signal.SIGHUP, early.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    async with AsyncExitStack() as stack:
        place = database(resolved.settings)
        created = place.is_new
        store = await place.open(checked=True)
        stack.push_async_callback(store.close)
        server = Server(resolved, store, log)
        stack.push_async_callback(_close_recorder, server)
        _check_folders(server)
        await server.unspool.run(server.settings.aibridge_retention.seconds)
        works = (server.authenticator, server.retention, server.recovery, server.seal_log, server.upstreams)
        for work in works:
            await stack.enter_async_context(_running(work.run, log))
        await asyncio.wait([server.prepare()], timeout=LONGEST_PREPARATION_S)
        await server.listen()
        if created:  # or its path was misspelt
            log.info("the database is a new one", database=str(place))
        warn(resolved.settings, log)
        stack.push_async_callback(_stop, server)
        loop.add_signal_handler(signal.SIGHUP, server.reload)
        if early.is_set():
            server.reload()
        await stopping.wait()
        await _drain(server)


def _supervisor_gone(pipe: int, stopping: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(pipe)
    stopping.set()


def _signalled(stopping: asyncio.Event, log: Logger) -> None:
    stopping.set()
    asyncio.get_running_loop().call_later(ONE_SIGNAL_S, _await_second, log)


def _await_second(log: Logger) -> None:
    for sign in ENDING:
        asyncio.get_running_loop().add_signal_handler(sign, _end_at_once, sign, log)


def _end_at_once(sign: signal.Signals, log: Logger) -> None:
    # Records that are not stored now belong to answers whose end no client has seen.
    log.warn("ended at once by a second signal")
    log.close()
    os._exit(128 + sign)


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


def _check_folders(server: Server) -> None:
    """Raises CannotServe where one was named; a container with PostgreSQL may have no place for a spool."""
    try:
        check_dumps(server.settings)
        server.spool.check()
    except BadFolder as error:
        raise CannotServe(str(error)) from None
    except BadSpool as error:
        if server.settings.spool_dir:
            raise CannotServe(str(error)) from None
        server.log.warn("what cannot be stored before the end will be lost", error=str(error))


async def _drain(server: Server) -> None:
    """Load balancers see that it is to be left alone, before it refuses anybody."""
    server.draining = True
    delay, timeout = server.settings.shutdown_drain_delay, server.settings.shutdown_timeout
    server.log.info("stopping", shutdown_drain_delay=str(delay), shutdown_timeout=str(timeout))
    await asyncio.sleep(delay.seconds)


async def _stop(server: Server) -> None:
    """Accepts nothing more, and lets what is under way end for as long as the settings say."""
    timeout = server.settings.shutdown_timeout.seconds
    until = asyncio.get_running_loop().time() + timeout
    if cut := await server.listener.stop(timeout):
        server.log.warn("requests cut off", count=cut)
    await _stop_api(server.api, until)
    await server.gateway.limits.wait_until_idle(LONGEST_READING_S)
    server.upstreams.close()
    server.dumps.close()


async def _stop_api(api: web.AppRunner, until: float) -> None:
    """aiohttp has times of its own, minutes of them: whose answer is not made or read by now does not get it."""
    ending = asyncio.create_task(api.cleanup())
    left = max(0.0, until - asyncio.get_running_loop().time())
    _, late = await asyncio.wait([ending], timeout=left)
    if late and api.server is not None:
        for connection in api.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
    await ending


async def _close_recorder(server: Server) -> None:
    left = await server.recorder.close()
    server.seal_log.write()
    if left:
        try:
            file = str(server.spool.save(left))
            server.log.warn("records are kept for the next start", records=len(left), file=file)
        except BadSpool as error:
            server.log.error("records are lost", records=len(left), error=str(error))
            raise CannotServe(f"records are lost that could be stored nowhere: {error}") from None
        return
    if not server.gateway.limits.idle():  # nobody would look for what one that ended in order has left open
        return
    with suppress(StoreUnavailable):  # another process will find that this one is gone
        await server.recovery.leave()
