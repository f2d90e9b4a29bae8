"""The demo from beginning to end: provider, server, user, exchanges, what was recorded, and then serving.

Contract: ends by cancellation (Ctrl-C), or with DemoFailed; leaves no process behind, and no file unless a
directory was asked for.
"""

import asyncio
import socket
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from coderai.demo import report
from coderai.demo.exchanges import EXCHANGES, send
from coderai.demo.provider import simulated_provider
from coderai.demo.server import DemoFailed, Say, Server, command, running_server
from coderai.demo.upstreams import Upstream, upstreams, without_settings

USER = "demo"
ADDRESS = ("127.0.0.1", 3000)


async def demonstrate(*, address: str | None, directory: Path | None, environment: Mapping[str, str], say: Say) -> None:
    """Runs until cancelled; raises DemoFailed."""
    async with AsyncExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(_temporary_directory()))
        _make(directory)
        providers = upstreams(environment, await stack.enter_async_context(simulated_provider()))
        for provider in providers:
            say(_told(provider))
        variables = without_settings(environment) | _settings(directory, address or _free_address(say))
        for provider in providers:
            variables |= provider.settings
        token = await _token(directory, variables)
        server = await stack.enter_async_context(running_server(variables))
        gateway = await server.address()
        say(f"Gateway:   {gateway}, records in {directory}\n")
        async with aiohttp.ClientSession() as session:
            await _exchange(session, gateway, token, server, say)
            say(report.table(await _recorded(session, gateway, token)))
        say(f"\nSettings to paste\n\n{report.settings(gateway, token)}\n")
        say("Serving until Ctrl-C; what is recorded is shown below as it happens.")
        await server.log_to(say)


def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="coderai-demo-")
    except OSError:  # a container may be read-only
        raise DemoFailed("there is no temporary directory that can be written: name one with --dir") from None


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoFailed(f"--dir {directory}: {error.strerror}; give a directory that can be written") from None


def _told(upstream: Upstream) -> str:
    name = f"{upstream.provider}:".ljust(10)
    key = f"{upstream.provider.upper()}_API_KEY"
    return f"{name} simulated (set {key} for the real one)" if upstream.simulated else f"{name} the real provider"


def _settings(directory: Path, address: str) -> dict[str, str]:
    return {
        "CODER_AIBRIDGE_ENABLED": "true",
        "CODER_AIBRIDGE_STRUCTURED_LOGGING": "true",
        "CODER_HTTP_ADDRESS": address,
        "CODER_SHUTDOWN_DRAIN_DELAY": "0s",
        "CODER_SQLITE_PATH": str(directory / "coderai.db"),
        "CODER_LOGGING_HUMAN": "/dev/stderr",
        "CODER_LOGGING_JSON": str(directory / "log.json"),
    }


def _free_address(say: Say) -> str:
    host, port = ADDRESS
    try:
        socket.create_server(ADDRESS).close()
    except OSError:
        say(f"Port {port} is taken: the gateway takes a free one (or give --http-address)")
        port = 0
    return f"{host}:{port}"


async def _token(directory: Path, variables: Mapping[str, str]) -> str:
    used_before = await asyncio.to_thread((directory / "coderai.db").exists)
    try:
        await command(variables, "users", "create", USER, "--role", "owner")
    except DemoFailed:
        if not used_before:  # else the user is there from the last time, or the next command says what is wrong
            raise
    return await command(variables, "tokens", "create", "--user", USER, "--name", "demo")


async def _exchange(session: aiohttp.ClientSession, gateway: str, token: str, server: Server, say: Say) -> None:
    for exchange in EXCHANGES:
        try:
            status = await send(session, gateway, token, exchange)
        except (aiohttp.ClientError, TimeoutError) as error:
            why = f"the exchange in {exchange.name} broke off: {error or 'no answer came'}"
            raise DemoFailed(f"{why}\n{server.complaints()}") from None
        say(f"Sent one exchange in {exchange.name}: {status}")


async def _recorded(session: aiohttp.ClientSession, gateway: str, token: str) -> list[dict[str, Any]]:
    """The exchanges just sent, from the audit API, the oldest first."""
    url = f"{gateway}/api/v2/aibridge/interceptions?limit={len(EXCHANGES)}"
    async with session.get(url, headers={"Coder-Session-Token": token}) as answer:
        if answer.status != 200:
            raise DemoFailed(f"the audit API answered {answer.status}: {await answer.text()}")
        found: list[dict[str, Any]] = (await answer.json())["results"]
    return found[::-1]
