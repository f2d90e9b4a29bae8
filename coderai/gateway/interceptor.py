"""An intercepted exchange, from body to last byte.

The order is the promise: the start is stored before the answer's first byte goes out, all findings and the
end before its terminal event does (or its last bytes, where there is none). `Interceptor.serve`, in time:

    the request is out     interception.begin   the start waits a moment for others to be stored with
    the answer's head      hurry, relay.start   the start is stored, then the head goes out; behind it all but the end
    the end has come       tap.read, end        findings and end are stored
    that is known          relay.release        in the same turn of the loop: the end goes out
"""

import asyncio
from contextlib import suppress

from coderai.auth import User
from coderai.formats.format import Ask, Format, Reading
from coderai.gateway.asks import Asks
from coderai.gateway.bedrock_call import BedrockCall
from coderai.gateway.dumping import Dumper, DumpingTap
from coderai.gateway.interception import Interception
from coderai.gateway.ownership import Owners, refuse_foreign
from coderai.gateway.refusal import Refusal
from coderai.gateway.relay import EndedBy, Relay
from coderai.gateway.turns import Turns
from coderai.gateway.upcall import Call, Calls, Failed
from coderai.keys import Keys
from coderai.logs import Logger
from coderai.recorder import NotStored, Recorder
from coderai.records import NOT_STORED
from coderai.routes import Route
from coderai.stream_tap import StreamTap
from coderai.tap import ReadingTap, WholeTap, last_held
from coderai.wire.answer import Answer
from coderai.wire.headers import is_stream
from coderai.wire.request import Request


class Interceptor:
    """`text_limit`: bytes of one prompt, tool input or thought that are stored; 0 until it is set."""

    def __init__(
        self, calls: Calls, recorder: Recorder, owners: Owners, turns: Turns, dumper: Dumper, log: Logger
    ) -> None:
        self._calls = calls
        self._recorder = recorder
        self._owners = owners
        self._turns = turns
        self._dumper = dumper
        self._log = log
        self.text_limit = 0
        self._reading_long = asyncio.Lock()  # several at once would be no faster, and leave the loop few turns
        self._asks = Asks(log, self._reading_long)

    async def serve(self, request: Request, route: Route, format: Format, user: User, keys: Keys, body: bytes) -> None:
        ask = await self._asks.read(request, route, format, body)
        if ask.builds_on:
            await refuse_foreign(self._owners, route, user, ask.builds_on)
        interception = Interception(self._recorder, self._log, self.text_limit, request, user, route, keys, ask)
        if not route.provider.allows(ask.model):
            await self._refuse_model(interception, route, ask)
        call = self._call(request, route, keys, ask, user)
        passage = self._calls.passage(route, ask.model)
        dump = self._dumper.interception(request, route, keys, call, ask.model, interception.id)
        tap: ReadingTap | None = None
        answer: Answer | None = None
        request.loop.call_soon(interception.begin)  # when the request is out, while the provider works on it
        try:
            answer = await call.answer(passage)
            started = interception.begin()
            tap = _tap(answer, format, ask)
            streamed = isinstance(tap, StreamTap)
            if streamed or not answer.complete:  # else its first bytes go out with its last: when the end is stored
                self._recorder.hurry()
                await started
            reader = last_held(tap, answer.fields) if streamed else tap
            relay = Relay(request, answer, reader if dump is None else DumpingTap(reader, dump, answer, route))
            relay.start(at_once=streamed, resized=streamed and ask.withholds_usage)
            ending = await relay.settled
            if (turn := self._turns.wait()) is not None:
                await turn
            await self._end(interception, answer, tap, ending, call, relay)
            await relay.done
        except Failed as failed:
            if dump is not None:
                dump.error(failed.message)
            await interception.end(failed.status, Reading(), failed.error_type, failed.message, call.key)
            raise
        except Exception as fault:
            if not interception.ended:
                why = NOT_STORED if isinstance(fault, NotStored) else "gateway_error"
                interception.end(request.status, Reading(), why)
            raise
        except asyncio.CancelledError:
            await self._broken_off(request, interception, answer, tap)
            raise
        finally:
            if answer is not None:
                answer.abandon()
            if dump is not None:
                dump.close()

    def _call(self, request: Request, route: Route, keys: Keys, ask: Ask, user: User) -> Call:
        if route.provider.bedrock is not None:
            return BedrockCall(self._calls, request, route, keys, ask, user, route.provider.bedrock)
        return self._calls.call(request, route, keys, ask.body, user, told=True, plain=ask.withholds_usage)

    async def _refuse_model(self, interception: Interception, route: Route, ask: Ask) -> None:
        """The attempt is on record, prompt and all."""
        message = f"the model {ask.model} is not allowed for {route.provider.name} here"
        await interception.end(403, Reading(), "model_not_allowed", message)
        raise Refusal(403, message)

    async def _end(
        self, interception: Interception, answer: Answer, tap: ReadingTap, ending: EndedBy, call: Call, relay: Relay
    ) -> None:
        reading = await self._read_long(tap) if tap.long else tap.read()
        if tap.fault is not None and ending is not EndedBy.BREAK:  # half an answer is no JSON: nothing is wrong with it
            self._log.warn(
                "answer not read", interception_id=interception.id, error=interception.without_secrets(tap.fault)
            )
        error_type = None
        if ending is EndedBy.BREAK:
            error_type = "upstream_timeout" if answer.timed_out else "upstream_disconnected"
        elif isinstance(tap, StreamTap) and not tap.terminal and not tap.unread:
            error_type = "incomplete_stream"
        await interception.end(answer.status, reading, error_type, key=call.key, then=relay.release)

    async def _broken_off(
        self, request: Request, interception: Interception, answer: Answer | None, tap: ReadingTap | None
    ) -> None:
        """Its client has gone, or the server ends."""
        if not interception.ended:
            why = "client_disconnected" if request.gone else "interrupted"
            interception.end(request.status, await self._read_all_the_same(answer, tap), why)
        elif not request.gone:
            interception.cut()

    async def _read_long(self, tap: ReadingTap) -> Reading:
        async with self._reading_long:
            return await asyncio.to_thread(tap.read)

    async def _read_all_the_same(self, answer: Answer | None, tap: ReadingTap | None) -> Reading:
        """What was found until the task was cancelled, even if it is cancelled again meanwhile."""
        if answer is None or tap is None:
            return Reading()
        answer.abandon()  # nothing more of it is to come while it is read
        if not tap.long:
            return tap.read()
        reading = asyncio.ensure_future(self._read_long(tap))
        while not reading.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(reading)
        return reading.result()


def _tap(answer: Answer, format: Format, ask: Ask) -> ReadingTap:
    coding = answer.fields.get(b"content-encoding")
    # whoever asked for a stream reads it as one, whatever it calls itself; JSON that comes in its place is read as such
    if is_stream(answer.fields) or (ask.stream and answer.status == 200):
        return StreamTap(format, coding, ask.withholds_usage)
    return WholeTap(format, coding)
