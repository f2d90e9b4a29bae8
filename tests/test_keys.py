"""Several keys of one provider: the first that can be used, and the next one where the provider refuses it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coderai.keys import Key
from tests.databases import query
from tests.exchange import ASK, post
from tests.gateway import Gateway
from tests.provider import LAST_CHUNK, Pause, Provider, stream, whole
from tests.waiting import reload, until

CHAT = "/api/v2/aibridge/pool/v1/chat/completions"
OK = whole(b'{"id":"1"}')
LIMITED = whole(b'{"error":{"type":"rate_limit_error","message":"slow"}}', "429 Slow", ("retry-after: 30",))
REFUSED = whole(b'{"error":{"type":"invalid_request_error","message":"who?"}}', "401 Unauthorized")
KEYS = ("sk-first-0123456781", "sk-second-0123456782", "sk-third-0123456783")
HINTS = "SELECT credential_hint FROM aibridge_interceptions"


@pytest.fixture
def pool(tmp_path, provider: Provider) -> Iterator[Gateway]:
    indexed = {"TYPE": "openai", "NAME": "pool", "KEYS": ",".join(KEYS), "BASE_URL": f"{provider.url}/v1/"}
    running = Gateway(
        tmp_path, provider.url, **{f"CODER_AIBRIDGE_PROVIDER_0_{name}": value for name, value in indexed.items()}
    )
    yield running
    assert running.stop() == 0
    written = running.log.read_text() + running.stderr.read_text()
    assert not any(key in written for key in KEYS)


def used(provider: Provider) -> list[str]:
    return [request.header("Authorization").removeprefix("Bearer ") for request in provider.requests]


def cooled(pool: Gateway) -> list[tuple[str, int, int]]:
    told = [line["fields"] for line in pool.lines() if line["msg"] == "a key cools down"]
    return [(fields["key"], fields["status"], fields["seconds"]) for fields in told]


def test_a_refused_key_is_passed_over_unseen(pool: Gateway, provider: Provider) -> None:
    token = pool.user("alice")
    provider.answers(LIMITED)
    provider.answers(REFUSED)
    provider.answers(OK)
    assert post(pool, CHAT, ASK, token).body == b'{"id":"1"}'
    assert used(provider) == list(KEYS)
    until(lambda: cooled(pool) == [("sk...81", 429, 30), ("sk-s...6782", 401, 600)])
    provider.answers(OK)
    assert post(pool, CHAT, ASK, token).status == 200
    assert used(provider)[3:] == [KEYS[2]]
    provider.answers(whole(b"{}", "500 Oh No"))  # any other status is the client's
    assert post(pool, CHAT, ASK, token).status == 500
    provider.answers(whole(b"{}", "403 No"))
    assert post(pool, CHAT, ASK, token).status == 403
    assert query(pool.database, HINTS) == [("sk...83",)] * 4


def test_what_a_refused_key_was_answered_is_not_waited_for(pool: Gateway, provider: Provider) -> None:
    """Its connection is closed, lest one after another stay open."""
    token = pool.user("alice")
    rest = Pause()
    provider.answers(stream(b"slow", status="429 Slow", ended=False), rest, LAST_CHUNK)
    provider.answers(OK)
    assert post(pool, CHAT, ASK, token).status == 200
    rest.go()
    assert provider.closed.acquire(timeout=10)


def test_all_keys_limited_or_refused(pool: Gateway, provider: Provider) -> None:
    token = pool.user("alice")
    for answer in (LIMITED, REFUSED, REFUSED):
        provider.answers(answer)
    for _ in range(2):  # the second time without asking the provider, though the settings have been read again
        answer = post(pool, CHAT, ASK, token)
        assert answer.status == 429
        assert 25 <= int(answer.header("Retry-After")) <= 30
        reload(pool, "settings read again")
    assert used(provider) == list(KEYS)
    end = pool.records()[-1]
    assert (end["status"], end["error_type"]) == (429, "rate_limit_error")


def test_of_several_limits_the_one_that_is_over_first_is_told(pool: Gateway, provider: Provider) -> None:
    token = pool.user("alice")
    for seconds in (300, 30, 900):
        provider.answers(whole(b"{}", "429 Slow", (f"retry-after: {seconds}",)))
    answer = post(pool, CHAT, ASK, token)
    assert answer.status == 429
    assert 1 <= int(answer.header("Retry-After")) <= 30


def test_limits_that_are_over_at_once_are_limits_all_the_same(pool: Gateway, provider: Provider) -> None:
    token = pool.user("alice")
    for _ in KEYS:
        provider.answers(whole(b"{}", "429 Slow", ("retry-after: 0",)))
    answer = post(pool, CHAT, ASK, token)
    assert (answer.status, answer.header("Retry-After")) == (429, "1")


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [(429, b"7", 7), (429, b"0", 0), (429, b"9" * 20, 24 * 3600), (401, b"7", 600)]
    + [(429, b"Wed, 21 Oct 2015 07:28:00 GMT", 0)]
    + [(429, odd, 60) for odd in (b"", b"-5", b"soon", b"1e3", b"\xb2", b"Wed, 21 Oct 99999 07:28:00 GMT")],
)
def test_how_long_a_key_rests(status: int, retry_after: bytes, seconds: float) -> None:
    key = Key("sk-0123456789", (b"X-Api-Key", b""))
    assert key.cool_down(status, {b"retry-after": retry_after}) == seconds
    assert key.cooling is (seconds > 0)


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"])
def test_a_limit_until_a_date_in_any_form_that_http_has(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    date = time.strftime(form, time.gmtime(time.time() + 100))
    assert 98 <= Key("sk-0123456789", (b"X-Api-Key", b"")).cool_down(429, {b"retry-after": date.encode()}) <= 100
    monkeypatch.undo()
    time.tzset()


def test_a_key_that_another_request_found_limited_is_not_asked_again(pool: Gateway, provider: Provider) -> None:
    token = pool.user("alice")
    pause = Pause()
    provider.answers(pause, LIMITED)
    with ThreadPoolExecutor() as other:
        first = other.submit(post, pool, CHAT, ASK, token)
        assert pause.reached.wait(30)
        for _ in KEYS:
            provider.answers(LIMITED)
        assert post(pool, CHAT, ASK, token).status == 429
        pause.go()
        assert first.result().status == 429
    assert used(provider) == [KEYS[0], *KEYS]


def test_nor_is_it_sooner_where_a_request_that_began_earlier_tells_of_less(pool: Gateway, provider: Provider) -> None:
    token = pool.user("alice")
    pause = Pause()
    provider.answers(pause, whole(b"{}", "429 Slow", ("retry-after: 0",)))
    with ThreadPoolExecutor() as other:
        first = other.submit(post, pool, CHAT, ASK, token)
        assert pause.reached.wait(30)
        provider.answers(LIMITED)
        for _ in range(3):
            provider.answers(OK)
        assert post(pool, CHAT, ASK, token).status == 200
        pause.go()
        assert first.result().status == 200
    assert post(pool, CHAT, ASK, token).status == 200
    assert used(provider) == [KEYS[0], KEYS[0], KEYS[1], KEYS[1], KEYS[1]]


def test_a_key_that_rests_does_so_through_a_reload(pool: Gateway, provider: Provider) -> None:
    token = pool.user("alice")
    provider.answers(LIMITED)
    provider.answers(OK)
    assert post(pool, CHAT, ASK, token).status == 200
    reload(pool, "settings read again")
    provider.answers(OK)
    assert post(pool, CHAT, ASK, token).status == 200
    assert used(provider) == [KEYS[0], KEYS[1], KEYS[1]]


def test_all_keys_refused_is_502(pool: Gateway, provider: Provider) -> None:
    token = pool.user("alice")
    for _ in KEYS:
        provider.answers(REFUSED)
    assert post(pool, CHAT, ASK, token).status == 502
    assert query(pool.database, HINTS) == [("sk...83",)]  # the last one that was tried


def test_a_single_key_s_answer_is_the_answer(gateway: Gateway, provider: Provider, token: str) -> None:
    for _ in range(2):
        provider.answers(LIMITED)
        answer = post(gateway, "/api/v2/aibridge/openai/v1/chat/completions", ASK, token)
        assert (answer.status, answer.header("retry-after")) == (429, "30")
        assert b"slow" in answer.body  # the provider's words
    assert len(provider.requests) == 2
