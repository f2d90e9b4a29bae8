"""The composition root: every part is made here, from the settings, and wired and changed here.

When it is started and how it is stopped is serving.py's; what single settings mean is meaning.py's.
"""

import asyncio
import errno
import os
import socket
import ssl

from aiohttp import web

from coderai.api import Connection, application
from coderai.auth import Authenticator
from coderai.bedrock import NoCredentials
from coderai.config import HostPort, Resolved, Settings, SettingsError, reload
from coderai.dumps import BadFolder, Dumps
from coderai.gateway import Gateway
from coderai.gateway.dumping import Dumper
from coderai.gateway.interceptor import Interceptor
from coderai.gateway.passthrough import Passthrough
from coderai.gateway.turns import Turns
from coderai.gateway.upcall import Calls
from coderai.logs import LogError, Logger, RecordLog
from coderai.meaning import breaker_limits, check_dumps, configure, database, routes, spool_folder
from coderai.recorder import Recorder
from coderai.recovery import Recovery
from coderai.retention import Retention
from coderai.sealing import SealLog
from coderai.spool import Spool
from coderai.store import Store
from coderai.unspool import Unspool
from coderai.wire.listener import Listener
from coderai.wire.proxy import Proxies
from coderai.wire.tls import BadCertificate, ServerTLS, client_context
from coderai.wire.upstream import Upstreams


class CannotServe(Exception):
    """An address that cannot be listened on; the message names option, value and remedy."""


class Server:
    """All parts, wired."""

    def __init__(self, resolved: Resolved, store: Store, log: Logger) -> None:
        self.resolved = resolved
        self.log = log
        bridge = log.named("aibridge")
        self.record_log = RecordLog(log)
        self.recorder = Recorder(store, log.named("recorder"))
        self.authenticator = Authenticator(store, log.named("auth"))
        ca_file = resolved.settings.aibridge_upstream_ca_file
        # without one, made when it is needed: it takes time and memory
        self.upstreams = Upstreams(client_context(ca_file) if ca_file else None, Proxies())
        turns = Turns()
        self.dumps = Dumps(log.named("dumps"))
        dumper = Dumper(self.dumps)
        self.calls = Calls(self.upstreams, bridge)
        self.interceptor = Interceptor(self.calls, self.recorder, store, turns, dumper, bridge)
        self.passthrough = Passthrough(self.calls, self.recorder, store, dumper, bridge)
        self.gateway = Gateway(self.authenticator, self.recorder, self.interceptor, self.passthrough, turns, bridge)
        if resolved.settings.workers == 1:  # else another one's checkpoint may have begun the WAL anew
            self.recorder.alone = self.gateway.limits.alone
        self.retention = Retention(store, log.named("retention"))
        self.recovery = Recovery(store, self.recorder, log.named("recovery"))
        self.seal_log = SealLog(store, bridge)
        self.spool = Spool(spool_folder(resolved.settings), store.instance_id)
        self.unspool = Unspool(self.spool, store, self.recorder, log)
        self.draining = False
        enabled = resolved.settings.aibridge_enabled
        self.api_log = log.named("api")
        app = application(store, self.authenticator, enabled, self.unready, self.api_log)
        # one request for each connection handed over: the next one may be the gateway's
        app.on_response_prepare.append(_close_after)
        self.api = web.AppRunner(app, handler_cancellation=True)  # with its connection: see serving.py
        self.listener = Listener(self.gateway, self.successor)
        self.tls = ServerTLS(resolved.settings.tls_min_version)
        self.apply()

    @property
    def settings(self) -> Settings:
        return self.resolved.settings

    def apply(self) -> None:
        """Takes over all settings that can change while serving."""
        settings = self.settings
        changed = routes(settings)
        changed.remember(self.gateway.routes)
        self.gateway.routes = changed
        self.gateway.credentials.allow_byok = settings.aibridge_allow_byok
        self.gateway.limits.max_concurrency = settings.aibridge_max_concurrency
        self.gateway.limits.rate_limit = settings.aibridge_rate_limit
        self.calls.breakers.set(breaker_limits(settings))
        self.calls.actor_headers = settings.aibridge_send_actor_headers
        self.upstreams.connect_timeout = settings.aibridge_connect_timeout.seconds
        self.upstreams.idle_timeout = settings.aibridge_idle_timeout.seconds
        self.calls.max_retries = settings.aibridge_max_retries
        structured = self.record_log if settings.aibridge_structured_logging else None
        self.recorder.record_log = self.passthrough.record_log = structured
        self.interceptor.text_limit = settings.aibridge_max_recorded_text.bytes
        self.recorder.grace.seconds = settings.aibridge_store_grace.seconds
        self.retention.seconds = settings.aibridge_retention.seconds
        self.retention.content_seconds = settings.aibridge_content_retention.seconds
        self.seal_log.seconds = settings.aibridge_seal_log_interval.seconds
        self.listener.max_body = settings.aibridge_max_request_body.bytes
        self.listener.bodies.limit = settings.aibridge_max_body_memory.bytes

    def reload(self) -> None:
        """Reads the settings again: all of them hold from now on, or, with one mistake in them, none. Log files are
        opened anew in either case: whoever has moved them away will delete them some day.
        """
        self.log.reopen()
        try:
            resolved, applied, waiting = reload(self.resolved)
            settings = resolved.settings
            files = settings.tls_cert_file, settings.tls_key_file
            identities = self.tls.read(*files) if self.settings.tls_enable else []
            check_dumps(settings)
            configure(self.log, settings)
        except (SettingsError, BadCertificate, BadFolder, LogError) as error:
            for problem in error.problems if isinstance(error, SettingsError) else [str(error)]:
                self.log.error("new settings refused, the old ones hold", problem=problem)
            return
        self.resolved = resolved
        if identities and identities is self.tls.identities:
            self.log.warn("a certificate from a pipe can be read only once: that of the start goes on to be served")
        self.tls.serve(identities)
        self.apply()
        for warning in resolved.warnings:
            self.log.warn(warning)
        self.log.info("settings read again", applied=",".join(applied), need_a_restart=",".join(waiting))
        self.prepare()

    def prepare(self) -> asyncio.Task[None]:
        """Has what is slow to load ready before the first request that needs it."""
        self._preparing = asyncio.create_task(self._prepare())
        return self._preparing

    async def _prepare(self) -> None:
        for provider in self.gateway.routes.providers.values():
            try:
                await provider.prepare()
            except NoCredentials as error:
                self.log.warn("a provider cannot be used yet", provider_name=provider.name, error=str(error))
            self.log.redact(provider.bedrock.secrets if provider.bedrock else ())

    async def listen(self) -> None:
        """Raises CannotServe, BadCertificate."""
        settings = self.settings
        if settings.tls_enable:
            self.tls.serve(self.tls.read(settings.tls_cert_file, settings.tls_key_file))
        await self.api.setup()
        await self._listen("--http-address", settings.http_address, None)
        if settings.tls_enable:
            await self._listen("--tls-address", settings.tls_address, self.tls.context)

    async def _listen(self, option: str, at: HostPort, tls: ssl.SSLContext | None) -> None:
        try:
            addresses = await self.listener.listen(at.host, at.port, tls, shared=self.settings.workers > 1)
        except OSError as error:
            if isinstance(error, socket.gaierror):
                why = error.strerror
            elif error.errno == errno.EADDRINUSE:
                why = "it is taken by another process"
            else:
                why = os.strerror(error.errno or 0)
            raise CannotServe(f"{option} {at}: {why}; give another host:port") from None
        for host, port in addresses:
            url = f"{'https' if tls else 'http'}://{HostPort(host, port)}"
            self.log.info("listening", address=url, database=str(database(self.settings)))

    def successor(self) -> asyncio.Protocol:
        """Health and audit API: an ordinary aiohttp application takes the connection over."""
        assert self.api.server is not None
        return Connection(self.api.server, self.api_log)

    def unready(self) -> list[str]:
        """Why it should be left alone now: requests would be refused, or a log is not written."""
        reasons = []
        if self.draining:
            reasons.append("stopping")
        if (refusal := self.recorder.refusal()) is not None:
            reasons.append(refusal)
        elif self.recovery.silent_s() > self.recorder.grace.seconds:  # nobody has asked for anything lately
            reasons.append("the database cannot be written")
        reasons += [
            f"the log {sink.path} is not written: {sink.error or 'it stands still'}, {sink.dropped} lines lost"
            for sink in self.log.sinks_status()
            if sink.error or sink.stalled
        ]
        return reasons


async def _close_after(request: web.Request, response: web.StreamResponse) -> None:
    response.force_close()
    response.headers["Connection"] = "close"  # by now aiohttp has written its own: that the connection stays
