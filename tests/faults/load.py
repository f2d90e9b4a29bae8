"""Load with a memory: clients that ask on and on, and what each of them saw to its end."""

import http.client
import itertools
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.databases import Place, query
from tests.exchange import CHAT, MESSAGES
from tests.gateway import Gateway
from tests.provider import Provider, Received, Step, stream, whole

STREAMED = b'{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hello"}]}'
WHOLE = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'

_numbers = itertools.count(1)


def answer(request: Received) -> list[Step]:
    """A short answer with an id of its own: streamed to Anthropic's route, whole to OpenAI's."""
    id = f"answer_{next(_numbers)}".encode()
    if "messages" not in request.target:
        return [whole(b'{"id":"%b","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}' % id)]
    start = b'{"type":"message_start","message":{"id":"%b","usage":{"input_tokens":3,"output_tokens":1}}}' % id
    delta = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}'
    return stream(
        b"event: message_start\ndata: %b\n\n" % start,
        b"event: message_delta\ndata: %b\n\n" % delta,
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    )


def provider() -> Provider:
    return Provider(model=answer)


@dataclass
class Refused:
    status: int
    retry_after: str | None
    body: bytes


@dataclass
class Load:
    """Clients that ask until the block ends; a broken connection or a refusal is noted, and they go on."""

    gateway: Gateway
    token: str
    clients: int = 6
    completed: list[str] = field(default_factory=list)  # the ids of answers whose end was seen
    refused: list[Refused] = field(default_factory=list)
    broken: int = 0

    def __enter__(self) -> "Load":
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def until_completed(self, more: int) -> None:
        """Until so many more answers have come to their end."""
        self._until(lambda: len(self.completed), more)

    def until_refused(self, more: int = 1) -> None:
        self._until(lambda: len(self.refused), more)

    def _until(self, count, more: int) -> None:
        target = count() + more
        with self._changed:
            assert self._changed.wait_for(lambda: count() >= target, 60), (len(self.completed), self.refused[-3:])

    def _run(self, number: int) -> None:
        path, body, end = ((MESSAGES, STREAMED, b"message_stop"), (CHAT, WHOLE, b"}}"))[number % 2]
        while not self._over.is_set():
            connection = http.client.HTTPConnection(self.gateway.host, self.gateway.port, timeout=90)
            try:
                while not self._over.is_set():
                    connection.request("POST", path, body, {"X-Api-Key": self.token})
                    response = connection.getresponse()
                    self._note(response, response.read(), end)
            except (OSError, http.client.HTTPException):
                with self._changed:
                    self.broken += 1
                self._over.wait(0.02)  # a server that is down is not to be asked a thousand times a second
            finally:
                connection.close()

    def _note(self, response: http.client.HTTPResponse, text: bytes, end: bytes) -> None:
        with self._changed:
            if response.status == 200 and end in text:
                found = re.search(rb'"id":"(answer_\d+)"', text)
                assert found is not None, text
                self.completed.append(found[1].decode())
            else:
                self.refused.append(Refused(response.status, response.getheader("retry-after"), text))
            self._changed.notify_all()
        if response.status != 200:
            self._over.wait(0.02)


def check(place: Place, completed: list[str]) -> None:
    """Every answer that a client saw the end of is stored once, with its end, in a sound database."""
    if isinstance(place, Path):
        assert query(place, "PRAGMA integrity_check") == [("ok",)]
        assert query(place, "PRAGMA foreign_key_check") == []
    rows = query(
        place,
        """SELECT t.provider_response_id, t.output_tokens, i.ended_at IS NOT NULL, p.prompt
        FROM aibridge_token_usages t JOIN aibridge_interceptions i ON i.id = t.interception_id
        JOIN aibridge_user_prompts p ON p.interception_id = i.id""",
    )
    stored = [row[0] for row in rows]
    assert len(stored) == len(set(stored)), "something is stored twice"
    assert len(completed) == len(set(completed))
    assert set(completed) <= set(stored), f"lost: {set(completed) - set(stored)}"
    assert all(row[1:] == (2, 1, "hello") for row in rows)


def unended(place: Place) -> int:
    return int(query(place, "SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NULL")[0][0])


def check_refusals(refused: list[Refused]) -> None:
    for answer in refused:
        assert answer.status == 503, answer
        assert answer.retry_after is not None
        assert answer.retry_after.isdigit()
        assert b'"error"' in answer.body
