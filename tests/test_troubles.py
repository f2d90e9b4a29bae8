"""Who runs the gateway reads what is wrong with a provider: once when it begins, once when it is over."""

from pathlib import Path

import pytest

from coderai.gateway import troubles
from coderai.gateway.troubles import Troubles
from coderai.keys import Keys
from tests.exchange import ASK, CHAT, MESSAGES, post
from tests.gateway import PROVIDER_KEY, Gateway
from tests.logs.opened import open_logs
from tests.provider import Provider, whole


def warnings(gateway: Gateway) -> list[dict]:
    return [line["fields"] | {"msg": line["msg"]} for line in gateway.lines() if line["level"] == "WARN"]


def test_a_provider_that_cannot_be_reached_and_a_key_that_is_refused(tmp_path: Path, provider: Provider) -> None:
    nowhere = "http://127.0.0.1:1/"
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_ANTHROPIC_BASE_URL=nowhere)
    token = gateway.user("alice")
    for _ in range(3):
        assert post(gateway, MESSAGES, ASK, token).status == 502
        provider.answers(whole(b"{}", "401 Unauthorized"))
        assert post(gateway, CHAT, ASK, token).status == 401
        provider.answers(whole(b"{}", "401 Unauthorized"))
        own = {"X-Coder-AI-Governance-Token": token, "Authorization": "Bearer sk-her-own-0123"}
        assert gateway.request("POST", CHAT, ASK, own).status == 401  # her key, her answer
    assert gateway.stop() == 0
    unreachable, refused = warnings(gateway)
    assert (unreachable["msg"], unreachable["provider"]) == ("the provider does not answer", "anthropic")
    assert unreachable["address"] == "http://127.0.0.1:1"
    assert "refused" in unreachable["error"].lower()
    assert (refused["msg"], refused["provider"]) == ("the provider refuses its key", "openai")
    assert PROVIDER_KEY not in str(refused)


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_it_is_over_when_all_has_been_well_for_a_while(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float
) -> None:
    monkeypatch.setattr(troubles, "OVER_SECONDS", seconds)
    log = open_logs(human=str(tmp_path / "log"))
    seen = Troubles(log)
    keys = Keys.pool([PROVIDER_KEY], b"Authorization", b"Bearer ")
    for _ in range(2):
        seen.unanswered("openai", "http://there", "upstream_unreachable", "refused")
        seen.answered("openai", 200, keys)
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    over = ["is over" in line for line in lines]
    assert over == ([False, True, False, True] if seconds == 0 else [False])


def test_nor_is_it_over_where_it_was_seen_again_meanwhile(tmp_path: Path) -> None:
    """Else it would be told of as often as one request is answered amid others that are not."""
    log = open_logs(human=str(tmp_path / "log"))
    now = [0.0]
    seen = Troubles(log, lambda: now[0])
    keys = Keys.pool([PROVIDER_KEY], b"Authorization", b"Bearer ")
    for now[0] in (0.0, troubles.OVER_SECONDS):
        seen.unanswered("openai", "http://x", "upstream_unreachable", "refused")
    for well, over in ((1.0, False), (troubles.OVER_SECONDS, False), (troubles.OVER_SECONDS + 1, True)):
        now[0] = troubles.OVER_SECONDS + well
        seen.answered("openai", 200, keys)
        assert bool(seen) is not over
    log.close()


def test_only_an_answer_to_the_organisation_s_own_key_tells_of_it(tmp_path: Path) -> None:
    log = open_logs(human=str(tmp_path / "log"))
    seen = Troubles(log)
    hers = Keys.brought(b"Authorization", b"Bearer sk-her-own-0123")
    several = Keys.pool([PROVIDER_KEY, "sk-another-0123"], b"Authorization", b"Bearer ")
    for keys in (hers, several):  # of several, each that is refused is told of where it begins to rest
        seen.answered("openai", 401, keys)
    log.close()
    assert not seen and (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize("own", [True, False])
def test_nor_does_any_other_say_that_it_is_well_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: bool
) -> None:
    monkeypatch.setattr(troubles, "OVER_SECONDS", 0.0)
    log = open_logs(human=str(tmp_path / "log"))
    seen = Troubles(log)
    keys = Keys.pool([PROVIDER_KEY], b"Authorization", b"Bearer ")
    seen.answered("openai", 401, keys)
    seen.answered("openai", 200, keys if own else Keys.brought(b"Authorization", b"Bearer sk-her-own-0123"))
    log.close()
    assert bool(seen) is not own
