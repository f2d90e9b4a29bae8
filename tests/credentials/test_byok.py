"""Users' own credentials: where they go, and where they never are."""

import json
from pathlib import Path

import pytest

from tests.credentials.governed import OWN, TOKEN, ended
from tests.exchange import ASK, CHAT, MESSAGES, post
from tests.gateway import PROVIDER_KEY, Gateway
from tests.provider import Provider, whole


@pytest.mark.parametrize(
    ("path", "own", "sent"),
    [
        (CHAT, {"Authorization": f"Bearer {OWN}"}, {"Authorization": f"Bearer {OWN}", "X-Api-Key": None}),
        (MESSAGES, {"Authorization": f"Bearer {OWN}"}, {"Authorization": f"Bearer {OWN}", "X-Api-Key": None}),
        (MESSAGES, {"X-Api-Key": OWN}, {"Authorization": None, "X-Api-Key": OWN}),
        (MESSAGES, {"x-api-key": OWN, "authorization": "Bearer x"}, {"Authorization": None, "X-Api-Key": OWN}),
        (CHAT, {"X-Api-Key": OWN}, {"Authorization": f"Bearer {OWN}", "X-Api-Key": None}),
        (
            CHAT,
            {"X-Api-Key": "x", "authorization": f"Bearer {OWN}"},
            {"Authorization": f"Bearer {OWN}", "X-Api-Key": None},
        ),
        ("/api/v2/aibridge/bare/v1/chat/completions", {"Authorization": f"Bearer {OWN}"}, {"X-Api-Key": None}),
    ],
)
def test_a_user_s_own_key_goes_upstream_as_it_came(
    governed: Gateway, alice: str, provider: Provider, path: str, own: dict[str, str], sent: dict[str, str | None]
) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    assert governed.request("POST", path, ASK, {TOKEN: alice, **own}).body == b'{"id":"1"}'
    (request,) = provider.requests
    assert {name: request.header(name) for name in sent} == sent
    assert request.header(TOKEN) is None
    start, _ = ended(governed)
    assert (start["credential_kind"], start["credential_hint"]) == ("byok", "sk-o...ghij")


def test_a_key_that_only_begins_like_a_coderai_token_is_a_key(
    governed: Gateway, alice: str, provider: Provider
) -> None:
    own = "0123456789-0123456789abcdefghijklm.nop"
    provider.answers(whole(b'{"id":"1"}'))
    assert governed.request("POST", CHAT, ASK, {TOKEN: alice, "X-Api-Key": own}).status == 200
    assert provider.requests[0].header("Authorization") == f"Bearer {own}"
    assert ended(governed)[0]["credential_kind"] == "byok"


def test_an_error_that_quotes_the_own_key_is_relayed_whole_and_recorded_without_it(
    governed: Gateway, alice: str, provider: Provider
) -> None:
    refusal = b'{"error":{"message":"Incorrect API key provided: %b","type":"invalid_request_error"}}' % OWN.encode()
    provider.answers(whole(refusal, "401 Unauthorized"))
    answer = governed.request("POST", CHAT, ASK, {TOKEN: alice, "Authorization": f"Bearer {OWN}"})
    assert answer.body == refusal
    assert ended(governed)[1]["error_message"] == "Incorrect API key provided: ***"


@pytest.mark.parametrize("written", ["Basic\t{}", "token a={}, b=c", "{}"])
@pytest.mark.parametrize("where", ["type", "message"])
def test_an_error_that_repeats_it_is_recorded_without_it(
    governed: Gateway, alice: str, provider: Provider, written: str, where: str
) -> None:
    provider.answers(whole(json.dumps({"error": {"type": "e", "message": "m", where: f"no {OWN}"}}).encode(), "400 No"))
    governed.request("POST", CHAT, ASK, {TOKEN: alice, "Authorization": written.format(OWN)})
    assert ended(governed)[1][f"error_{where}"] == "no ***"


def test_a_key_of_one_letter_garbles_no_record(governed: Gateway, alice: str, provider: Provider) -> None:
    """Nobody hides what became of a request so."""
    refusal = json.dumps({"error": {"type": "invalid_request", "message": "is too long"}}).encode()
    provider.answers(whole(refusal, "400 No"))
    governed.request("POST", MESSAGES, ASK, {TOKEN: alice, "X-Api-Key": "i"})
    start, end = ended(governed)
    assert (end["error_type"], end["error_message"]) == ("invalid_request", "is too long")
    assert start["credential_hint"] == "..."


def test_an_error_that_repeats_the_token_is_recorded_without_it(
    governed: Gateway, alice: str, provider: Provider
) -> None:
    refusal = json.dumps({"error": {"type": "e", "message": f"what is {alice}?"}}).encode()
    provider.answers(whole(refusal, "400 No"))
    assert governed.request("POST", f"{CHAT}?key={alice}", ASK, token=alice).body == refusal
    assert ended(governed)[1]["error_message"] == "what is ***?"


def test_what_a_client_tells_of_itself_is_recorded_without_credentials(
    governed: Gateway, alice: str, provider: Provider
) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    told = {"User-Agent": f"mine/1 {alice}", "X-Session-Id": f"{OWN}/1", "Authorization": f"Bearer {OWN}"}
    ask = ASK.replace(b'"model":"', b'"model":"' + alice.encode() + b"/")
    assert governed.request("POST", CHAT, ask, {TOKEN: alice, **told}).status == 200
    start, _ = ended(governed)
    assert start["metadata"] == {"request_user_agent": "mine/1 ***"}
    assert start["model"].startswith("***/")
    assert OWN not in str(start)


@pytest.mark.parametrize(
    "also", [{}, {"Authorization": "Bearer {}"}, {"X-Api-Key": "{}"}, {"Authorization": "Bearer "}, {"X-Api-Key": ""}]
)
def test_without_a_key_of_ones_own_the_organisation_s_is_used(
    governed: Gateway, alice: str, provider: Provider, also: dict[str, str]
) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    headers = {name: value.format(alice) for name, value in also.items()}
    assert governed.request("POST", CHAT, ASK, {TOKEN: alice, **headers}).status == 200
    assert provider.requests[0].header("Authorization") == f"Bearer {PROVIDER_KEY}"
    assert alice not in str(provider.requests[0].headers)


@pytest.mark.parametrize("own", [{"Authorization": f"Bearer {OWN}"}, {"X-Api-Key": OWN}])
def test_nor_does_a_key_that_nobody_said_to_be_used(
    governed: Gateway, alice: str, provider: Provider, own: dict[str, str]
) -> None:
    """The token is not in the field that says so."""
    provider.answers(whole(b'{"id":"1"}'))
    assert governed.request("POST", CHAT, ASK, {"Coder-Session-Token": alice, **own}).status == 200
    assert provider.requests[0].header("Authorization") == f"Bearer {PROVIDER_KEY}"
    assert OWN not in str(provider.requests[0].headers)
    assert ended(governed)[0]["credential_kind"] == "centralized"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer {}"),
        ("Authorization", "Bearer {},"),
        ("Authorization", "Bearer {}, Basic abc"),
        ("Authorization", "{}"),
        ("X-Api-Key", "{}"),
        ("X-Api-Key", '"{}"'),
        ("Coder-Session-Token", "{}"),
    ],
)
def test_nor_does_another_token(
    governed: Gateway, alice: str, provider: Provider, bob: str, name: str, value: str
) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    assert governed.request("POST", CHAT, ASK, {TOKEN: alice, name: value.format(bob)}).status == 200
    assert bob not in str(provider.requests[0].headers)
    assert provider.requests[0].header("Authorization") == f"Bearer {PROVIDER_KEY}"


@pytest.mark.parametrize("governance", ["", " ", "{}", "{}\u00a0"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("Authorization", "Bearer {}"), ("Authorization", "Bearer {},"), ("X-Api-Key", "{}"), ("Api-Key", "{}")],
)
def test_a_token_never_reaches_a_provider(
    governed: Gateway, alice: str, provider: Provider, governance: str, name: str, value: str
) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    headers = {TOKEN: governance.format(alice), "Cookie": f"t={alice}", name: value.format(alice)}
    governed.request("POST", CHAT, ASK, headers)
    assert alice not in str([request.headers for request in provider.requests])


def test_turned_off_it_is_refused(tmp_path: Path, provider: Provider) -> None:
    env = {"CODER_AIBRIDGE_PROVIDER_0_TYPE": "copilot", "CODER_AIBRIDGE_PROVIDER_0_BASE_URL": provider.url}
    gateway = Gateway(tmp_path, provider.url, **env, CODER_AIBRIDGE_ALLOW_BYOK="false")
    token = gateway.user("alice")
    answer = gateway.request("POST", MESSAGES, ASK, {TOKEN: token, "X-Api-Key": OWN})
    assert (answer.status, answer.json()["error"]["type"]) == (403, "permission_error")
    assert "--aibridge-allow-byok" in answer.json()["error"]["message"]
    for headers in ({"Authorization": f"Bearer {token}"}, {TOKEN: token, "Authorization": f"Bearer {OWN}"}):
        answer = gateway.request("POST", "/api/v2/aibridge/copilot/responses", ASK, headers)
        assert (answer.status, answer.json()["error"]["type"]) == (403, "permission_error")
    (warning,) = [line for line in gateway.lines() if line["level"] == "WARN"]
    assert warning["fields"] == {"provider_name": "copilot"}
    assert "--aibridge-allow-byok" in warning["msg"]
    assert provider.requests == []
    assert gateway.stop() == 0


def test_who_asks_is_told_and_nobody_can_say_it_for_another(governed: Gateway, alice: str, provider: Provider) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    claimed = {
        "X-AI-Bridge-Actor-ID": "root",
        "x-ai-bridge-actor-metadata-username": "root",
        "X-AI-Bridge-Actor-Metadata-Email": "root",
        "X_AI_Bridge_Actor_ID": "root",
    }
    governed.request("POST", CHAT, ASK, claimed, token=alice)
    (request,) = provider.requests
    told = [(name.lower(), value) for name, value in request.headers if "actor" in name.lower()]
    assert told == [
        ("x-ai-bridge-actor-id", ended(governed)[0]["initiator_id"]),
        ("x-ai-bridge-actor-metadata-username", "alice"),
    ]


def test_and_untold_by_default(gateway: Gateway, token: str, provider: Provider) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    gateway.request("POST", CHAT, ASK, {"X-AI-Bridge-Actor-ID": "root"}, token=token)
    assert "actor" not in str(provider.requests[0].headers).lower()


def test_the_hint_is_that_of_the_key_that_served(governed: Gateway, alice: str, provider: Provider) -> None:
    provider.answers(whole(b'{"error":{}}', "429 Slow", ("retry-after: 1",)))
    provider.answers(whole(b'{"id":"1"}'))
    post(governed, "/api/v2/aibridge/pool/v1/chat/completions", ASK, alice)
    start, _ = ended(governed)
    assert start["credential_hint"] == "sk-f...abcd"
    listed = governed.request("GET", "/api/v2/aibridge/interceptions?limit=1", token=governed.user("olga", "owner"))
    assert listed.json()["results"][0]["credential_hint"] == "sk-s...9abc"
    (line,) = [line for line in governed.lines() if line["msg"] == "a key cools down"]
    assert line["fields"] == {"provider": "pool", "key": "sk-f...abcd", "status": 429, "seconds": 1}
