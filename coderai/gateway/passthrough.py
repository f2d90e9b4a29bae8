"""Requests that are relayed unrecorded: one log line each, so that an auditor sees that they happened; without the
structured log, an ordinary one. What opens one user's data passes only for that user (ownership.py).
"""

from typing import Any

import msgspec

from coderai.auth import User
from coderai.dumps import Dump
from coderai.formats.format import NotUnderstood, Reading
from coderai.formats.responses import builds_on
from coderai.gateway.dumping import Dumper, DumpingTap
from coderai.gateway.masking import told
from coderai.gateway.ownership import Owners, refuse_foreign, require_owned
from coderai.gateway.refusal import Refusal
from coderai.gateway.relay import Relay
from coderai.gateway.upcall import Calls, Failed
from coderai.keys import Keys
from coderai.logs import Logger, RecordLog
from coderai.providers import INPUT_TOKENS
from coderai.recorder import Recorder
from coderai.records import NO_INTERCEPTION, ProviderObject, Record, new_id
from coderai.routes import Route
from coderai.store import times
from coderai.tap import NoTap, Tap, WholeTap, last_held
from coderai.wire.answer import Answer
from coderai.wire.encodings import Undecodable, decoded
from coderai.wire.headers import is_stream
from coderai.wire.request import Request


class Passthrough:
    """`record_log`: where each request leaves its line; None: in `log`."""

    def __init__(self, calls: Calls, recorder: Recorder, owners: Owners, dumper: Dumper, log: Logger) -> None:
        self._log = log
        self._dumper = dumper
        self._calls = calls
        self._recorder = recorder
        self._owners = owners
        self.record_log: RecordLog | None = None

    async def serve(self, request: Request, route: Route, user: User, keys: Keys, body: bytes) -> None:
        answer: Answer | None = None
        dump: Dump | None = None
        try:
            if route.owned is not None:
                await require_owned(self._owners, route, user, route.owned.decode("latin-1"))
            if built_on := await _built_on(request, route, body):
                await refuse_foreign(self._owners, route, user, built_on)
            if route.provider.bedrock is not None:
                path = route.path.decode("latin-1")
                raise Refusal(501, f"{path} is not served by Amazon Bedrock: only /v1/messages is")
            call = self._calls.call(request, route, keys, body, user)
            dump = self._dumper.passthrough(request, route, keys, call)
            answer = await call.answer()
            relay = await self._relay(request, route, user, answer, dump)
        except BaseException as fault:  # refused, or the client has gone: what was asked for is on record all the same
            if dump is not None and isinstance(fault, Failed):
                dump.error(fault.message)
            await self._note(request, route, user, fault.status if isinstance(fault, Refusal) else request.status)
            raise
        else:
            await self._note(request, route, user, answer.status)
            relay.release()
            await relay.done
        finally:
            if answer is not None:
                answer.abandon()
            if dump is not None:
                dump.close()

    async def _relay(self, request: Request, route: Route, user: User, answer: Answer, dump: Dump | None) -> Relay:
        """Returns with the end of the answer still to be released."""
        creates = request.head.method == "POST" and route.path in _CREATING and answer.status == 200
        streamed = is_stream(answer.fields)
        created = WholeTap(_CREATED, answer.fields.get(b"content-encoding")) if creates else None
        tap: Tap = created or NoTap(streamed)
        if streamed:
            tap = last_held(tap, answer.fields)
        relay = Relay(request, answer, tap if dump is None else DumpingTap(tap, dump, answer, route))
        relay.start(at_once=streamed, resized=False)
        await relay.settled
        if created is not None and (object_id := created.read().message_id):
            owned = ProviderObject(object_id=object_id, provider_name=route.provider.name, initiator_id=user.id)
            await self._recorder.put([Record(new_id(), NO_INTERCEPTION, times.now(), owned)])
        return relay

    async def _note(self, request: Request, route: Route, user: User, status: int | None) -> None:
        path = told(request.head, route.path.decode("latin-1"))
        if self.record_log is None:
            method, name = request.head.method, route.provider.name
            self._log.info("passed through", method=method, route=path, status=status, provider_name=name, user=user.id)
            return
        await self.record_log.passthrough(
            route=path,
            method=request.head.method,
            status=status,
            initiator_id=user.id,
            api_key_id=user.token_id,
            provider=route.provider.kind.name,
            provider_name=route.provider.name,
            created_at=times.now(),
        )


async def _built_on(request: Request, route: Route, body: bytes) -> tuple[str, ...]:
    """Counting the tokens of a response means to read what it goes on from. Raises Refusal."""
    if route.path != INPUT_TOKENS:
        return ()
    try:
        return builds_on(await decoded(request.head.fields.get(b"content-encoding"), body))
    except Undecodable as fault:
        raise Refusal(415, f"the request's body cannot be read: {fault}") from None
    except NotUnderstood as fault:
        raise Refusal(400, str(fault)) from None


# Where the answer's `id` names something that is its creator's alone.
_CREATING = frozenset((b"/conversations",))


class _Id(msgspec.Struct):
    id: str = ""


class _Created:
    """Reads the id of what was created."""

    path = "created object"

    def whole(self, body: bytes) -> Any:
        try:
            return msgspec.json.decode(body, type=_Id)
        except msgspec.DecodeError as fault:
            raise NotUnderstood(str(fault)) from None

    def read(self, answer: Any) -> Reading:
        return Reading(message_id=answer.id)


_CREATED = _Created()
