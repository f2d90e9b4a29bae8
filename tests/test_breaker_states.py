"""The circuit breaker by itself: its states, against a model of it, and how many of them there are."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coderai.breaker import MOST_BREAKERS, Breaker, BreakerLimits, Breakers, Open, State

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
