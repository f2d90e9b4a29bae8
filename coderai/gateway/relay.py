"""One answer on its way from the provider to the client, at the callback level.

What the provider sends goes through the tap to the client in the same callback; where the tap says which chunks tell
nothing, those do not even come here. The relay settles when all that can be noted of the answer has come (its terminal
event, its end, or its break); what the tap holds back from then on goes out at `release`, when the records are stored.
"""

import asyncio
from enum import Enum

from coderai.tap import Tap
from coderai.wire.answer import Answer
from coderai.wire.headers import HOP_BY_HOP, end_to_end
from coderai.wire.reads import Bypass
from coderai.wire.request import Request

# What may pile up behind a terminal event while its records are being stored.
HELD_LIMIT = 64 * 1024

_UNSIZED = HOP_BY_HOP | {b"content-length"}


class EndedBy(Enum):
    TERMINAL = "the terminal event"
    END = "the end of the body"
    BREAK = "a broken connection"


class Relay:
    """A Sink of wire.answer."""

    def __init__(self, request: Request, answer: Answer, tap: Tap) -> None:
        self.settled: asyncio.Future[EndedBy] = request.loop.create_future()
        self.done: asyncio.Future[None] = request.loop.create_future()
        self._request = request
        self._answer = answer
        self._tap = tap
        self._released = False
        self._stalled = False
        self._catching_up = False
        self._held = 0
        self._ending: EndedBy | None = None

    def start(self, *, at_once: bool, resized: bool) -> None:
        """Gives the head and lets the body flow.

        at_once: the head does not wait for a body of which nothing has come yet. resized: the body may lose a chunk, so
        a length that the provider gave does not hold.
        """
        answer = self._answer
        resized = resized or b"transfer-encoding" in answer.fields
        headers = end_to_end(answer.headers, _UNSIZED if resized else HOP_BY_HOP)
        sized = not resized and b"content-length" in answer.fields
        self._request.flow = self
        self._request.respond(answer.status, answer.reason, headers, sized=sized)
        answer.pipe(self)
        if at_once and self._ending is None:  # of an answer that has come whole, the head may be the end
            self._request.flush()
        if self._request.stalled:  # an earlier answer is still on its way
            self.pause()

    def pause(self) -> None:
        """The client does not read."""
        self._stalled = True
        self._answer.pause()

    def resume(self) -> None:
        self._stalled = False
        self._flow_on()

    def _flow_on(self) -> None:
        """Has the provider read on, where neither the client, the tap nor what is held back stands in the way."""
        if not (self._stalled or self._catching_up) and (self._released or self._held <= HELD_LIMIT):
            self._answer.resume()

    def data(self, data: bytes, framed: bytes = b"") -> Bypass | None:
        if self._released:
            self._request.write(data, framed)
            return None
        tap = self._tap
        out = tap.feed(data)
        if out:
            self._request.write(out, framed if out is data else b"")
        elif tap.behind:
            self._catch_up()
        if tap.terminal:
            self._hold(len(data))
        elif framed and tap.skippable is not None and (send := self._request.chunk_sender) is not None:
            return Bypass(tap.skippable, send)
        return None

    def _catch_up(self) -> None:
        """What the tap has still to read would take too long: others have their turn, and this one goes on after it."""
        if not self._catching_up:
            self._catching_up = True
            self._answer.pause()
            self._request.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._catching_up = False
        try:
            if not self.settled.done():  # nor cancelled, as its client has gone: then the rest is read elsewhere
                self.data(b"")
        except Exception:  # nobody else would end it
            self._answer.abandon()
            self._over(EndedBy.BREAK)
            raise
        if not self._catching_up:
            if self._ending is not None:
                self._settle(self._ending)
            self._flow_on()

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > HELD_LIMIT:
            self._answer.pause()
        self._settle(EndedBy.TERMINAL)

    def end(self) -> None:
        self._over(EndedBy.END)

    def lost(self) -> None:
        self._over(EndedBy.BREAK)

    def _over(self, ending: EndedBy) -> None:
        self._ending = ending
        if not self._catching_up:
            self._settle(ending)
        if self._released:
            self._finish(b"")

    def _settle(self, ending: EndedBy) -> None:
        if not self.settled.done():
            self.settled.set_result(ending)

    def release(self) -> None:
        """The records are stored: what was held back goes out, and the rest flows unread."""
        self._released = True
        held = self._tap.held()
        if self._ending is not None:
            self._finish(held)
            return
        if held:
            self._request.write(held)
        self._flow_on()

    def _finish(self, last: bytes) -> None:
        if self._ending is EndedBy.END:
            self._request.end(last)
        else:
            if last:
                self._request.write(last)
            self._request.flush()
            self._request.cut()
        if not self.done.done():
            self.done.set_result(None)
