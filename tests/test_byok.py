"""Users' own credentials, who is told who asks, and which models may be used."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange import ASK, CHAT, MESSAGES, post
from tests.gateway import PROVIDER_KEY, Gateway
from tests.provider import Provider, whole

TOKEN = "X-Coder-AI-Governance-Token"
OWN = "sk-own-0123456789abcdefghij"
OTHER_KEYS = ("sk-first-0123456789abcd", "sk-second-0123456789abc")
SECRETS = (OWN, PROVIDER_KEY, *OTHER_KEYS)


def providers(url: str) -> dict[str, str]:
    listed = [
        {"TYPE": "copilot", "BASE_URL": url},
        {"TYPE": "openai", "NAME": "chatgpt", "BASE_URL": f"{url}/backend-api/codex"},
        {"TYPE": "anthropic", "NAME": "few", "BASE_URL": url, "KEY": OTHER_KEYS[0], "MODELS": "claude-*-4,opus"},
        {"TYPE": "openai", "NAME": "pool", "BASE_URL": f"{url}/v1", "KEYS": ",".join(OTHER_KEYS)},
        {"TYPE": "openai", "NAME": "bare", "BASE_URL": f"{url}/v1"},
    ]
    return {
        f"CODER_AIBRIDGE_PROVIDER_{n}_{name}": value
        for n, fields in enumerate(listed)
        for name, value in fields.items()
    }


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[Gateway]:
    env = {"CODER_AIBRIDGE_SEND_ACTOR_HEADERS": "true", **providers(_provider.url)}
    running = Gateway(tmp_path_factory.mktemp("governed"), _provider.url, "--verbose", **env)
    yield running
    assert running.stop() == 0
    folder = running.log.parent
    written = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    for secret in SECRETS:
        assert secret.encode() not in written, secret


@pytest.fixture(scope="module")
def alice(governed: Gateway) -> str:
    return governed.user("alice")


@pytest.fixture(scope="module")
def bob(governed: Gateway) -> str:
    return governed.user("bob")


def ended(gateway: Gateway) -> tuple[dict, dict]:
    """Start and end of the last interception."""
    records = gateway.records()
    end = [record for record in records if record["record_type"] == "interception_end"][-1]
    ids = (record for record in records if record["record_type"] == "interception_start")
    return next(start for start in ids if start["interception_id"] == end["interception_id"]), end


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
    _, end = ended(governed)
    assert (end["error_type"], end["error_message"]) == ("invalid_request", "is too long")


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


@pytest.mark.parametrize(
    ("name", "value"), [("Authorization", "Bearer {}"), ("Authorization", "{}"), ("X-Api-Key", "{}")]
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


class TestModels:
    FEW = "/api/v2/aibridge/few/v1/messages"

    def ask(self, model: str) -> bytes:
        return json.dumps(
            {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "secret plans"}]}
        ).encode()

    @pytest.mark.parametrize("model", ["claude-sonnet-4", "opus"])
    def test_one_that_is_allowed(self, governed: Gateway, alice: str, provider: Provider, model: str) -> None:
        provider.answers(whole(b'{"id":"m"}'))
        assert post(governed, self.FEW, self.ask(model), alice).status == 200

    @pytest.mark.parametrize("names", ['"model"', '"Model"', '"mod\\u0065l"'])
    def test_two_of_them_are_refused(self, governed: Gateway, alice: str, provider: Provider, names: str) -> None:
        """Which one counts is the provider's choice."""
        ask = self.ask("opus").decode()
        answer = post(governed, self.FEW, ask.replace("{", f'{{{names}:"gpt-5",', 1).encode(), alice)
        assert (answer.status, provider.requests) == (400, [])
        provider.answers(whole(b'{"id":"m"}'))
        inner = ask.replace("{", '{"metadata":{"model":"gpt-5","Model":"x"},', 1)
        assert post(governed, self.FEW, inner.encode(), alice).status == 200

    @pytest.mark.parametrize(
        ("named", "model"),
        [
            ('"models":["opus","gpt-5"]', "gpt-5"),  # OpenRouter takes the next where the first is not to be had
            ('"model\\u0073":["gpt-5"]', "gpt-5"),
            ('"fallbacks":[{"model":"opus"},{"model":"gpt-5"}]', "gpt-5"),
            ('"fallbacks":[{"model":"gpt-5","model":"opus"}]', "gpt-5"),
            ('"Fallbacks":"default"', "default"),  # which the provider chooses
            ('"fallbacks":[{"opus":["gpt-5"]}]', "gpt-5"),  # LiteLLM's
            ('"fallbacks":["opus",{"opus":["gpt-5"],"model":"opus"}]', "gpt-5"),
            ('"context_window_fallbacks":[{"*":["opus","gpt-5"],"model":"opus"}]', "gpt-5"),
            ('"context_window_fallback_dict":{"opus":"gpt-5"}', "gpt-5"),
            ('"providerOptions":{"gateway":{"order":["azure"],"models":["gpt-5"]}}', "gpt-5"),  # Vercel's
            ('"model\u017f":["gpt-5"]', "gpt-5"),  # which Go folds to models
            ('"plugins":[{"id":"fusion","analysis_models":["gpt-5"]}]', "gpt-5"),
            ('"preset":"gpt-5"', "gpt-5"),
            ('"tools":[{"type":"openrouter:fusion","parameters":{"analysis_models":["gpt-5"]}}]', "gpt-5"),
            ('"tools":[{"type":"openrouter:image_generation","parameters":{"model":"gpt-5"}}]', "gpt-5"),
            ('"tools":[{"type":"namespace","tools":[{"type":"image_generation","model":"gpt-5"}]}]', "gpt-5"),
            ('"input":[{"type":"additional_tools","tools":[{"model":"gpt-5"}]}]', "gpt-5"),
            ('"tools":[{"name":"f"},{"type":"advisor_20260301","name":"advisor","model":"gpt-5"}]', "gpt-5"),
        ],
    )
    def test_so_is_one_that_is_named_beside_it(
        self, governed: Gateway, alice: str, provider: Provider, named: str, model: str
    ) -> None:
        ask = self.ask("opus").decode()
        answer = post(governed, self.FEW, ask.replace("{", f"{{{named},", 1).encode(), alice)
        assert (answer.status, provider.requests) == (403, [])
        start, end = ended(governed)
        assert (start["model"], end["error_type"]) == (model, "model_not_allowed")
        provider.answers(whole(b'{"id":"m"}'))
        allowed = named.replace(model, "claude-opus-4")
        assert post(governed, self.FEW, ask.replace("{", f"{{{allowed},", 1).encode(), alice).status == 200

    @pytest.mark.parametrize("name", ["models", "fallbacks", "tools"])
    def test_nor_is_anything_that_names_models_there_twice(
        self, governed: Gateway, alice: str, provider: Provider, name: str
    ) -> None:
        twice = f'"{name}":[{{"model":"gpt-5"}}],"{name}":[],'
        answer = post(governed, self.FEW, self.ask("opus").decode().replace("{", f"{{{twice}", 1).encode(), alice)
        assert (answer.status, provider.requests) == (400, [])
        assert f"names its {name} more than once" in answer.json()["error"]["message"]

    @pytest.mark.parametrize(
        "odd",
        ['"metadata":NaN', '"metadata":[-Infinity]', '"metadata":"half a pair \\ud83d"', '"a\\\\":[{"b":"}\\""}]', ""],
    )
    def test_nor_does_it_matter_how_the_rest_is_written(
        self, governed: Gateway, alice: str, provider: Provider, odd: str
    ) -> None:
        ask = self.ask("opus").decode().replace("{", f'{{ {odd}{"," if odd else ""}\t"models" : ["gpt-5"] , ', 1)
        answer = post(governed, self.FEW, b"\xef\xbb\xbf" + ask.encode() + b"\n", alice)
        assert (answer.status, provider.requests) == (403, [])
        provider.answers(whole(b'{"id":"m"}'))
        assert post(governed, self.FEW, ask.replace("gpt-5", "opus").encode(), alice).status == 200

    @pytest.mark.parametrize(
        ("large", "told"),
        [
            (",".join(f'"{number}":0' for number in range(10_001)), "more than 10000 members"),
            (f'"input":[{"0," * 10_000}0]', "more than 10000 members"),
            (f'"tools":[{{"model":"opus","description":"{"a" * 500_000}"}}]', "larger than 500000 bytes"),
            (f'"fallbacks":{"[" * 30}"opus"{"]" * 30}', "nested too deeply"),
            ('"fallbacks":[' + '"opus",' * 1000 + '"opus"]', "more than 1000 models"),
            ('"a":1,"a":1', "names its a more than once"),
            ('"a":12,"fallbacks":["gpt-5"],"fallbacks":[],"a":1', "names its a more than once"),
            ('"a":1,"\\u0061":2', "names its a more than once"),
        ],
    )
    def test_what_would_take_long_to_search_or_is_there_twice_is_refused(
        self, governed: Gateway, alice: str, provider: Provider, large: str, told: str
    ) -> None:
        ask = self.ask("opus").decode().replace("{", f'{{"models":["opus"],{large},', 1)
        answer = post(governed, self.FEW, ask.encode(), alice)
        assert (answer.status, provider.requests) == (400, [])
        assert told in answer.json()["error"]["message"]

    def test_many_and_large_tools_are_no_hindrance(self, governed: Gateway, alice: str, provider: Provider) -> None:
        provider.answers(whole(b'{"id":"m"}'))
        tools = ",".join(f'{{"name":"{number}","description":"{"a" * 50_000}"}}' for number in range(100))
        ask = self.ask("opus").decode().replace("{", f'{{"models":["opus"],"tools":[{tools}],', 1)
        assert post(governed, self.FEW, ask.encode(), alice).status == 200

    def test_a_tool_with_an_argument_of_that_name_names_none(
        self, governed: Gateway, alice: str, provider: Provider
    ) -> None:
        provider.answers(whole(b'{"id":"m"}'))
        takes = '{"properties":{"model":{"type":"string","enum":["gpt-5"]}}}'
        tool = f'"tools":[{{"name":"a","input_schema":{takes}}},{{"type":"function","name":"b","parameters":{takes}}}],'
        ask = self.ask("opus").decode().replace("{", f"{{{tool}", 1)
        assert post(governed, self.FEW, ask.encode(), alice).status == 200

    @pytest.mark.parametrize("model", ["claude-sonnet-4-5", "opus\n", "OPUS", "gpt-5", "half a pair \ud800"])
    def test_another_is_refused_and_on_record(
        self, governed: Gateway, alice: str, provider: Provider, model: str
    ) -> None:
        answer = post(governed, self.FEW, self.ask(model), alice)
        assert (answer.status, answer.json()["error"]["type"]) == (403, "permission_error")
        assert answer.header("x-should-retry") == "false"
        assert provider.requests == []
        start, end = ended(governed)
        written = model.encode("utf-8", "backslashreplace").decode()
        assert (start["model"], end["status"], end["error_type"]) == (written, 403, "model_not_allowed")
        prompts = [record for record in governed.records() if record["record_type"] == "prompt_usage"]
        assert prompts[-1]["prompt"] == "secret plans"


class TestCopilotAndChatGPT:
    AUTH = f"Bearer {OWN}"

    def test_nobody_is_warned_that_they_have_no_key(self, tmp_path: Path, provider: Provider) -> None:
        env = {"CODER_AIBRIDGE_OPENAI_KEY": "", "CODER_AIBRIDGE_ANTHROPIC_KEY": ""}
        gateway = Gateway(tmp_path, provider.url, **env, CODER_AIBRIDGE_PROVIDER_0_TYPE="copilot")
        assert gateway.stop() == 0
        assert [line for line in gateway.lines() if line["level"] == "WARN"] == []

    @pytest.mark.parametrize(
        ("path", "upstream"),
        [
            ("/copilot/chat/completions", "/chat/completions"),
            ("/copilot/responses", "/responses"),
            ("/copilot/v1/messages", "/v1/messages"),
            ("/chatgpt/v1/responses", "/backend-api/codex/responses"),
        ],
    )
    def test_what_is_intercepted(
        self, governed: Gateway, alice: str, provider: Provider, path: str, upstream: str
    ) -> None:
        provider.answers(whole(b'{"id":"1"}'))
        body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"}],"input":"hi"}'
        headers = {TOKEN: alice, "Authorization": self.AUTH}
        assert governed.request("POST", f"/api/v2/aibridge{path}", body, headers).status == 200
        (request,) = provider.requests
        assert (request.target, request.header("Authorization")) == (upstream, self.AUTH)
        start, _ = ended(governed)
        assert (start["provider_name"], start["credential_kind"]) == (path.split("/")[1], "byok")

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/models"),
            ("GET", "/models/"),
            ("POST", "/agents/x?y=1"),
            ("POST", "/mcp/readonly"),
            ("DELETE", "/mcp/"),
            ("GET", "/.well-known/oauth"),
        ],
    )
    def test_what_is_passed_through(
        self, governed: Gateway, alice: str, provider: Provider, method: str, path: str
    ) -> None:
        provider.answers(whole(b"{}"))
        headers = {TOKEN: alice, "Authorization": self.AUTH}
        assert governed.request(method, f"/api/v2/aibridge/copilot{path}", None, headers).status == 200
        assert (provider.requests[0].method, provider.requests[0].target) == (method, path)

    @pytest.mark.parametrize("headers", [{}, {"Upgrade": "websocket", "Connection": "Upgrade"}])
    def test_a_refusal_has_the_shape_of_its_path(self, governed: Gateway, headers: dict[str, str]) -> None:
        for path in ("v1/messages", "responses", "chat/completions"):
            answer = governed.request("GET", f"/api/v2/aibridge/copilot/{path}", None, headers)
            assert answer.status == (426 if headers else 404)
            assert (answer.json().get("type") == "error") == (path == "v1/messages")

    def test_a_key_beside_the_bearer_token_stays_here(self, governed: Gateway, alice: str, provider: Provider) -> None:
        provider.answers(whole(b'{"id":"1"}'))
        headers = {TOKEN: alice, "Authorization": self.AUTH, "X-Api-Key": OTHER_KEYS[0]}
        assert governed.request("POST", "/api/v2/aibridge/copilot/v1/messages", ASK, headers).status == 200
        (request,) = provider.requests
        assert (request.header("Authorization"), request.header("X-Api-Key")) == (self.AUTH, None)
        del headers["Authorization"]
        answer = governed.request("POST", "/api/v2/aibridge/chatgpt/v1/responses", ASK, headers)
        assert (answer.status, "in Authorization" in answer.json()["error"]["message"]) == (401, True)

    def test_nobody_s_key_is_used_without_one_of_ones_own(
        self, governed: Gateway, alice: str, provider: Provider
    ) -> None:
        for name in ("copilot/chat/completions", "chatgpt/v1/responses"):
            answer = post(governed, f"/api/v2/aibridge/{name}", ASK, alice)
            assert (answer.status, TOKEN in answer.json()["error"]["message"]) == (401, True)
        answer = governed.request("POST", "/api/v2/aibridge/copilot/embeddings", b"{}", {TOKEN: alice})
        assert answer.status == 404
        assert provider.requests == []


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
