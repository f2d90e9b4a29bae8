"""A client's connection apart from what is said on it: back-pressure, how long it may last, and how it ends.

An answer that is over is always read by its client, one that is broken off never taken for whole. Spec: RFC 9112,
sections 9.5 and 9.6.
"""

import asyncio
import socket
import struct

from coderai.wire.request import Request

# Longer than the pools of common clients keep a connection, so that it is they who close it.
IDLE_LIMIT_S = 300.0
# A head that has not come by then is no tool's.
HEAD_LIMIT_S = 60.0
# A body that stands still for so long does not come any more.
BODY_PAUSE_S = 120.0
# A client that reads nothing for so long does not come back; one that was suspended for a while does.
UNREAD_LIMIT_S = 900.0
# So long a client may go on sending, or not read, after its last answer.
LINGER_S = 20.0


class ConnectionLifetime(asyncio.Protocol):
    """How long a ClientConnection lasts: what is built upon it tells it of requests and their answers.

    A connection goes through these, and may be `stalled` in each, where its client does not read:

                              request  _task  _receiving      ends it
        between two requests  -        -      -               IDLE_LIMIT_S, or HEAD_LIMIT_S amid a head (`_head_data`)
        a body comes          yes      yes    yes             BODY_PAUSE_S; then its handler is cancelled
        being answered        yes      yes    -               its answer: the next request, or the end
        behind the last one   any      -      any             the rest of a body, the client, or LINGER_S (`_closing`)

    `_deaf`: what comes is read over. `_waits`: stalled between two requests, nothing is read.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.keep_alive = True
        self.http10 = False
        self.stalled = False  # the client does not read what is written
        self.request: Request | None = None
        self.loop = asyncio.get_running_loop()  # kept: asking for it again costs a system call (getpid) each time
        self.since = self.loop.time()  # the last request's end, or the next one's start
        self.heard = self.since  # the last byte
        self._unread_since = 0.0  # where it is stalled
        self._waits = False  # nothing is read from the client until it has read what was written
        self._task: asyncio.Task[None] | None = None  # that works on the answer
        self._head_data: list[bytes] | None = []  # of a head that is not complete; None amid a request
        self._receiving = False  # a message has begun and has not been parsed to its end
        self._deaf = False  # what comes is read over
        self._closing = False

    @property
    def idle(self) -> bool:
        """Whether no answer is being worked on: between two requests, or behind the last answer."""
        return self._task is None

    def overdue(self, now: float) -> bool:
        """Whether it has been waiting for its client longer than a client takes."""
        if self._closing:
            return now - self.since > LINGER_S
        if self.stalled and now - self._unread_since > UNREAD_LIMIT_S:
            return True
        if self.request is not None:
            return self._receiving and now - self.heard > BODY_PAUSE_S
        return now - self.since > (HEAD_LIMIT_S if self._head_data else IDLE_LIMIT_S)

    def expire(self) -> None:
        """Ends an overdue connection; one that was closed, and whose client neither reads nor goes, at once."""
        if self._closing:
            self.transport.abort()
        elif self.request is not None and self._task is not None:
            self._deaf = True  # the rest of a body that comes all the same is not to be served
            self.request.gone = True
            self._task.cancel()
        else:
            self._close()

    def send(self, data: bytes) -> None:
        try:
            self.transport.write(data)
        except RuntimeError:  # uvloop's, where the client was lost in this very turn of the loop; asyncio's is silent
            if not self.transport.is_closing():
                raise

    def pause_writing(self) -> None:
        self.stalled = True
        self._unread_since = self.loop.time()
        if self.request is None:
            self._wait()
        elif self.request.flow is not None:
            self.request.flow.pause()

    def resume_writing(self) -> None:
        self.stalled = False
        if self._waits:
            self._waits = False
            self.since = self.loop.time()
            self.transport.resume_reading()
        if self.request is not None and self.request.flow is not None:
            self.request.flow.resume()

    def _wait(self) -> None:
        """Stalled between two requests: else the answers of a client that asks on and on, and never reads, pile up.

        Amid a request it is read all the same: some clients send all of a body before they read.
        """
        if not self._deaf:
            self._waits = True
            self.transport.pause_reading()

    def cut(self) -> None:
        """Ends the connection amid an answer; what was written goes out, the answer's end does not."""
        if self.request is not None:
            self.request.forget()
        self._task = None
        if self._closing:
            return
        self._deaf = self._closing = True
        self.since = self.loop.time()
        if self.http10:
            self._reset()
        else:
            self.transport.close()

    def _reset(self) -> None:
        """Where the end of the connection would be the end of the body, it must not end in order."""
        connected = self.transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def stop(self) -> None:
        """Ends the connection at once; the handler, cancelled, finds its client not gone."""
        if self._task is not None:
            self._task.cancel()
        else:
            self.transport.abort()

    def close_idle(self) -> None:
        """Ends a connection on which no answer is being worked on; what was written goes out."""
        if self._waits:  # what its client may have sent has to be read first
            return self._close()
        self._deaf = self._closing = True
        self.since = self.loop.time()
        self.transport.close()

    def _close(self) -> None:
        """The last answer is out. A client that is still sending is listened to until it has read the answer:
        closed with bytes unread, the connection would be reset, and the answer lost (RFC 9112, section 9.6).
        """
        if self._waits:  # it may have sent what nobody has read
            self._waits = False
            self._deaf = True
            self.transport.resume_reading()
        sending = self._receiving or self._deaf
        if not sending or self._closing:
            return self.close_idle()
        self._closing = True
        self.since = self.loop.time()
        if self.transport.can_write_eof():
            self.transport.write_eof()
