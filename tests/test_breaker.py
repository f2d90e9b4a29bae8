"""The circuit breaker: against a model of it, and through the gateway."""

import json
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coderai.breaker import MOST_BREAKERS, Breaker, BreakerLimits, Breakers, Open, State
from tests.exchange import ASK, CHAT, MESSAGES, RESPONSES, Reader, post
from tests.gateway import Gateway
from tests.provider import CUT, Pause, Provider, whole
from tests.waiting import reload, wait_for_end

LIMITS = BreakerLimits(failure_threshold=3, interval=10.0, timeout=30.0, max_requests=2)


class Model(RuleBasedStateMachine):
    """Requests that begin and end in any order, and time that passes; what must hold is counted apart."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.changes: list[tuple[State, State]] = []
        self.breaker = Breaker(LIMITS, self._changed, lambda: self.now)
        self.under_way: list[tuple[int, int]] = []  # era of the breaker, and of this model
        self.era = 0
        self.failures = 0
        self.let_through = 0
        self.successes = 0
        self.opened = 0.0
        self.counted_from = 0.0

    def _changed(self, before: State, after: State) -> None:
        self.changes.append((before, after))

    def _become(self, after: State) -> None:
        self.era += 1
        self.failures = self.let_through = self.successes = 0
        self.counted_from = self.now
        if after is State.OPEN:
            self.opened = self.now
        assert self.changes[-1][1] is after
        assert self.breaker.state is after

    # eighths, whose sums are exact: else the two may round differently where a time is just over
    @rule(seconds=st.sampled_from([0.125, 5.0, 10.0, 29.875, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_request_begins(self) -> None:
        before = self.breaker.state
        if before is State.OPEN and self.now - self.opened < LIMITS.timeout:
            with pytest.raises(Open) as caught:
                self.breaker.enter()
            assert caught.value.seconds == pytest.approx(self.opened + LIMITS.timeout - self.now)
            return
        if before is State.HALF_OPEN and self.let_through == LIMITS.max_requests:
            with pytest.raises(Open):
                self.breaker.enter()
            return
        era = self.breaker.enter()
        if before is State.OPEN:
            self._become(State.HALF_OPEN)
        elif before is State.CLOSED and self.now - self.counted_from >= LIMITS.interval:
            self.era += 1
            self.failures = 0
            self.counted_from = self.now
        self.let_through += self.breaker.state is State.HALF_OPEN
        self.under_way.append((era, self.era))

    @precondition(lambda self: self.breaker.state is State.OPEN)
    @rule()
    def its_timeout_is_over(self) -> None:
        self.now = max(self.now, self.opened + LIMITS.timeout)

    @precondition(lambda self: self.breaker.state is State.CLOSED)
    @rule()
    def the_provider_fails(self) -> None:
        """As often as opens it: by one request and another, what follows then would hardly ever come about."""
        for _ in range(LIMITS.failure_threshold - self.failures):
            self.a_request_begins()
            self._ends(*self.under_way.pop(), success=False)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), success=st.sampled_from([True, False, None]))
    def a_request_ends(self, data: st.DataObject, success: bool | None) -> None:
        self._ends(*self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1))), success=success)

    def _ends(self, era: int, own: int, success: bool | None) -> None:
        before = self.breaker.state
        self.breaker.leave(era, success)
        if own != self.era:
            assert self.breaker.state is before
        elif before is State.HALF_OPEN:
            if success is None:
                self.let_through -= 1
            elif not success:
                self._become(State.OPEN)
            else:
                self.successes += 1
                if self.successes == LIMITS.max_requests:
                    self._become(State.CLOSED)
        elif success is not None:
            self.failures = 0 if success else self.failures + 1
            if self.failures == LIMITS.failure_threshold:
                self._become(State.OPEN)

    @invariant()
    def it_never_lets_through_more_than_it_may(self) -> None:
        if self.breaker.state is State.HALF_OPEN:
            assert 0 <= self.let_through <= LIMITS.max_requests


TestModel = Model.TestCase


def test_without_an_interval_failures_are_counted_on() -> None:
    breaker = Breaker(LIMITS._replace(interval=0.0), lambda *_: None)
    for _ in range(LIMITS.failure_threshold):
        breaker.leave(breaker.enter(), success=False)
    assert breaker.state is State.OPEN


def test_what_was_let_through_before_a_change_does_not_count_after_it() -> None:
    now = [0.0]
    breaker = Breaker(LIMITS, lambda *_: None, lambda: now[0])
    slow = breaker.enter()
    for _ in range(LIMITS.failure_threshold):
        breaker.leave(breaker.enter(), success=False)
    now[0] = LIMITS.timeout
    breaker.enter()
    breaker.leave(slow, success=False)
    assert breaker.state is State.HALF_OPEN


def test_half_open_again_it_counts_successes_anew() -> None:
    breaker = Breaker(LIMITS._replace(timeout=0.0), lambda *_: None)
    for _ in range(LIMITS.failure_threshold):
        breaker.leave(breaker.enter(), success=False)
    for success, state in ((True, "half-open"), (False, "open"), (True, "half-open"), (True, "closed")):
        breaker.leave(breaker.enter(), success)
        assert breaker.state is State(state)


def test_a_client_cannot_have_any_number_of_breakers_made() -> None:
    breakers = Breakers(lambda *_: None)
    assert breakers.of("p", "/e", "m") is None
    breakers.set(LIMITS)
    first = breakers.of("p", "/e", "m")
    for n in range(MOST_BREAKERS - 1):
        breakers.of("p", "/e", f"m{n}")
    assert breakers.of("p", "/e", "m") is first
    breakers.of("p", "/e", "one more")
    assert breakers.of("p", "/e", "m") is first
    assert len(breakers._breakers) == MOST_BREAKERS
    assert breakers.of("p", "/e", "x" * 300) is breakers.of("p", "/e", "x" * 10**6)


@pytest.mark.parametrize("half", [False, True])
def test_an_open_one_outlasts_them(half: bool) -> None:
    breakers = Breakers(lambda *_: None)
    breakers.set(LIMITS._replace(timeout=0.0) if half else LIMITS)
    first = breakers.of("p", "/e", "m")
    for _ in range(LIMITS.failure_threshold):
        first.leave(first.enter(), success=False)
    if half:
        first.enter()
    for n in range(MOST_BREAKERS + 1):
        breakers.of("p", "/e", f"m{n}")
    assert breakers.of("p", "/e", "m") is first


def test_with_other_limits_all_begin_anew() -> None:
    breakers = Breakers(lambda *_: None)
    breakers.set(LIMITS)
    first = breakers.of("p", "/e", "m")
    breakers.set(LIMITS._replace())
    assert breakers.of("p", "/e", "m") is first
    breakers.set(LIMITS._replace(failure_threshold=1))
    other = breakers.of("p", "/e", "m")
    other.leave(other.enter(), success=False)
    assert other.state is State.OPEN


POOL = "/api/v2/aibridge/pool/v1/chat/completions"


def two_keys(provider: Provider) -> dict[str, str]:
    fields = {"TYPE": "openai", "NAME": "pool", "KEYS": "sk-0123456789,sk-abcdefghij", "BASE_URL": f"{provider.url}/v1"}
    return {f"CODER_AIBRIDGE_PROVIDER_0_{name}": value for name, value in fields.items()}


ON = {
    "CODER_AIBRIDGE_CIRCUIT_BREAKER_ENABLED": "true",
    "CODER_AIBRIDGE_CIRCUIT_BREAKER_FAILURE_THRESHOLD": "2",
    "CODER_AIBRIDGE_CIRCUIT_BREAKER_TIMEOUT": "1s",
    "CODER_AIBRIDGE_CIRCUIT_BREAKER_MAX_REQUESTS": "1",
}


OPEN_OPENAI = b'{"error":{"message":"circuit breaker is open","type":"server_error","code":"service_unavailable"}}'
OPEN_ANTHROPIC = b'{"type":"error","error":{"type":"overloaded_error","message":"circuit breaker is open"}}'


@pytest.mark.parametrize(
    ("path", "status", "refusal"),
    [
        (MESSAGES, "529 Overloaded", OPEN_ANTHROPIC),
        (CHAT, "503 Down", OPEN_OPENAI),
        (RESPONSES, "504 Late", OPEN_OPENAI),
    ],
)
def test_failures_open_it_and_a_success_closes_it(
    tmp_path: Path, provider: Provider, path: str, status: str, refusal: bytes
) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON)
    token = gateway.user("alice")
    other_model = json.dumps(json.loads(ASK) | {"model": "another"}).encode()
    for _ in range(2):
        provider.answers(whole(b"{}", status))
        assert post(gateway, path, ASK, token).status == int(status[:3])
    answer = post(gateway, path, ASK, token)
    assert (answer.status, answer.header("Retry-After")) == (503, "1")
    assert answer.body == refusal
    assert len(provider.requests) == 2
    provider.answers(whole(b'{"id":"1"}'))
    assert post(gateway, path, other_model, token).status == 200
    provider.answers(whole(b'{"id":"1"}'))
    while (answer := post(gateway, path, ASK, token)).status == 503:
        pass  # until the timeout is over
    assert answer.status == 200
    provider.answers(whole(b"{}", status))
    assert post(gateway, path, ASK, token).status == int(status[:3])
    changes = [line["fields"] for line in gateway.lines() if line["msg"] == "circuit breaker state change"]
    assert [(change["from"], change["to"]) for change in changes] == [
        ("closed", "open"),
        ("open", "half-open"),
        ("half-open", "closed"),
    ]
    assert gateway.stop() == 0


def test_keys_that_all_rest_are_no_failure_of_the_provider(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_OPENAI_KEY="", **ON | two_keys(provider))
    token = gateway.user("alice")
    for _ in range(2):
        provider.answers(whole(b"{}", "429 Slow", ("retry-after: 1",)))
    assert [post(gateway, POOL, ASK, token).status for _ in range(4)] == [429] * 4
    provider.answers(whole(b'{"id":"1"}'))
    while (answer := post(gateway, POOL, ASK, token)).status == 429:
        pass  # until the keys have rested
    assert (answer.status, len(provider.requests)) == (200, 3)
    assert gateway.stop() == 0


def test_a_limit_of_a_user_s_own_key_is_nobody_else_s(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON)
    alice, bob = gateway.user("alice"), gateway.user("bob")
    own = {"X-Coder-AI-Governance-Token": alice, "Authorization": "Bearer sk-own-0123456789abcdefghij"}
    for _ in range(3):
        provider.answers(whole(b"{}", "429 Slow"))
        assert gateway.request("POST", CHAT, ASK, own).status == 429
    provider.answers(whole(b'{"id":"1"}'))
    assert post(gateway, CHAT, ASK, bob).status == 200
    for _ in range(2):  # that it cannot serve anybody, it says to any key
        provider.answers(whole(b"{}", "503 Down"))
        assert gateway.request("POST", CHAT, ASK, own).status == 503
    assert post(gateway, CHAT, ASK, bob).json()["error"]["message"] == "circuit breaker is open"
    assert gateway.stop() == 0


def test_it_is_of_one_provider_and_one_endpoint_and_outlasts_a_reload(tmp_path: Path, provider: Provider) -> None:
    on = ON | {"CODER_AIBRIDGE_CIRCUIT_BREAKER_TIMEOUT": "1h"}
    gateway = Gateway(tmp_path, provider.url, **on | two_keys(provider))
    token = gateway.user("alice")
    for _ in range(2):
        provider.answers(whole(b"{}", "503 Down"))
        assert post(gateway, CHAT, ASK, token).status == 503
    for path in (RESPONSES, POOL):
        provider.answers(whole(b'{"id":"1"}'))
        assert post(gateway, path, ASK, token).status == 200
    reload(gateway, "settings read again")
    assert post(gateway, CHAT, ASK, token).json()["error"]["message"] == "circuit breaker is open"
    assert len(provider.requests) == 4
    assert gateway.stop() == 0


def test_a_broken_connection_is_no_success(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON)
    token = gateway.user("alice")
    down = whole(b"{}", "503 Down", ("Connection: close",))
    for answer, status in ((down, 503), (CUT, 502), (down, 503), (b"never sent", 503)):
        provider.answers(answer)
        assert post(gateway, CHAT, ASK, token).status == status
    assert len(provider.requests) == 3
    assert gateway.stop() == 0


def test_a_silent_provider_opens_it(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON | {"CODER_AIBRIDGE_IDLE_TIMEOUT": "300ms"})
    token = gateway.user("alice")
    silent = [Pause(), Pause()]
    for pause in silent:
        provider.answers(pause)
        assert post(gateway, CHAT, ASK, token).status == 504
    assert post(gateway, CHAT, ASK, token).json()["error"]["message"] == "circuit breaker is open"
    for pause in silent:
        pause.go()
    assert gateway.stop() == 0


def test_a_client_that_goes_gives_its_place_back(tmp_path: Path, provider: Provider) -> None:
    """Half open, it would else let nobody through ever again."""
    gateway = Gateway(tmp_path, provider.url, **ON)
    token = gateway.user("alice")
    for _ in range(2):
        provider.answers(whole(b"{}", "503 Down"))
        assert post(gateway, CHAT, ASK, token).status == 503
    silent = Pause()
    provider.answers(silent, whole(b"{}"))
    while not silent.reached.is_set():  # until the timeout is over
        with Reader(gateway, CHAT, ASK, token):
            silent.reached.wait(0.3)
    wait_for_end(gateway, "client_disconnected")
    silent.go()
    provider.answers(whole(b'{"id":"1"}'))
    assert post(gateway, CHAT, ASK, token).status == 200
    assert gateway.stop() == 0


def test_what_is_no_failure_does_not_open_it(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON)
    token = gateway.user("alice")
    for path, status in ((CHAT, "529 Busy"), (CHAT, "500 Oh No"), (MESSAGES, "400 Bad"), (MESSAGES, "401 Who")):
        for _ in range(3):
            provider.answers(whole(b"{}", status))
            assert post(gateway, path, ASK, token).status == int(status[:3])
    assert gateway.stop() == 0
