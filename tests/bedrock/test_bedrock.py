"""Anthropic's messages through the gateway to Amazon Bedrock: what AWS gets, what the client gets, what is kept."""

import json
from collections.abc import Iterator

import anthropic
import pytest

from tests.bedrock.aws import KEY, REGION, SECRET, event, exception, signature_holds, streamed
from tests.bedrock.running import (
    ASK,
    EVENTS,
    HAIKU,
    PATH,
    SONNET,
    SSE,
    STATIC,
    STREAM,
    WHOLE,
    ask,
    rows,
    running,
    variables,
)
from tests.gateway import Gateway
from tests.provider import Provider, whole


@pytest.fixture
def aws(tmp_path, provider: Provider) -> Iterator[Gateway]:
    yield from running(tmp_path, provider, **variables(provider.url, **STATIC))


def test_a_stream_however_cut(aws: Gateway, provider: Provider) -> None:
    token = aws.user("alice")
    for size in (1, 7, len(STREAM)):
        provider.answers(streamed(STREAM, size))
        answer = ask(aws, token, stream=True)
        assert (answer.status, answer.header("Content-Type")) == (200, "text/event-stream; charset=utf-8")
        assert (answer.body, answer.broken) == (SSE, False)
        received = provider.requests[-1]
        assert received.target == f"/model/{SONNET.replace(':', '%3A')}/invoke-with-response-stream"
        assert signature_holds(received)
        assert json.loads(received.body) == {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 4000,
            "messages": ASK["messages"],
        }
        assert token not in str(received.headers)
    kinds = [record["record_type"] for record in aws.records()]
    for kind in ("prompt_usage", "tool_usage", "token_usage", "model_thought"):
        assert kinds.count(kind) >= 3, kinds
    found = rows(aws, "SELECT provider, provider_name, model, credential_hint FROM aibridge_interceptions")
    assert found == [("anthropic", "aws", SONNET, "AKID...6789")] * 3
    assert rows(aws, "SELECT input_tokens, output_tokens FROM aibridge_token_usages") == [(9, 7)] * 3


def test_a_whole_answer_keeps_its_bytes(aws: Gateway, provider: Provider) -> None:
    token = aws.user("alice")
    provider.answers(whole(WHOLE))
    answer = ask(aws, token, model="claude-3-5-haiku-latest", metadata={"user_id": "x"}, service_tier="auto")
    assert (answer.status, answer.body) == (200, WHOLE)
    received = provider.requests[-1]
    assert received.target == f"/model/{HAIKU.replace(':', '%3A')}/invoke"
    assert signature_holds(received)
    assert set(json.loads(received.body)) == {"anthropic_version", "max_tokens", "messages"}


@pytest.mark.parametrize(
    "own", [{"X-Api-Key": "sk-ant-0123456789abcdef"}, {"Authorization": "Bearer sk-ant-0123456789"}]
)
def test_a_user_s_own_key_opens_nothing_there(aws: Gateway, provider: Provider, own: dict[str, str]) -> None:
    """It is Anthropic's: AWS is asked with the organisation's, does not see it, and the record says so."""
    provider.answers(whole(WHOLE))
    headers = {"X-Coder-AI-Governance-Token": aws.user("alice"), **own}
    assert aws.request("POST", PATH, json.dumps(ASK).encode(), headers).status == 200
    (received,) = provider.requests
    assert signature_holds(received)
    assert "sk-ant" not in str(received.headers)
    found = rows(aws, "SELECT credential_kind, credential_hint FROM aibridge_interceptions")
    assert found == [("centralized", "AKID...6789")]


@pytest.mark.parametrize(
    ("line", "kind"),
    [("429 Slow", "rate_limit_error"), ("400 Bad", "invalid_request_error"), ("403 No", "permission_error"),
     ("424 Model", "api_error"), ("500 Oh", "api_error"), ("503 Busy", "overloaded_error")],
)  # fmt: skip
def test_an_error_takes_anthropic_s_shape(aws: Gateway, provider: Provider, line: str, kind: str) -> None:
    headers = ("x-amzn-ErrorType: com.amazon.x#SomeException:http://internal/", "x-amzn-RequestId: r-1")
    headers += ("retry-after: 7",)
    provider.answers(whole(b'{"message":"no, thanks"}', line, headers))
    answer = ask(aws, aws.user("alice"), stream=True)
    assert (answer.status, answer.header("retry-after")) == (int(line[:3]), "7")
    error = {"type": kind, "message": "SomeException: no, thanks"}
    assert answer.json() == {"type": "error", "error": error, "request_id": "r-1"}
    assert aws.records()[-1]["error_type"] == kind


def test_a_refused_signature_does_not_repeat_what_was_signed(aws: Gateway, provider: Provider) -> None:
    headers = ("x-amzn-ErrorType: InvalidSignatureException",)
    provider.answers(whole(b'{"message":"The Canonical String was x-amz-security-token:hush"}', "403 No", headers))
    answer = ask(aws, aws.user("alice"))
    assert answer.status == 403
    assert b"hush" not in answer.body
    assert b"access key, secret, region and clock" in answer.body


@pytest.mark.parametrize("word", ["a ", "a", "a\n"])
def test_a_long_error_is_not_cut_amid_a_secret(tmp_path, provider: Provider, word: str) -> None:
    session = "IQoJ" + "session0" * 50
    fields = variables(provider.url, **STATIC, BEDROCK_SESSION_TOKEN=session)
    gateway = Gateway(tmp_path, provider.url, **fields)
    body = json.dumps({"message": f"{(word * 3800)[:3800]} {session} is not good"})
    provider.answers(whole(body.encode(), "400 No", ("x-amzn-ErrorType: ValidationException",)))
    answer = ask(gateway, gateway.user("alice"))
    assert gateway.stop() == 0
    assert answer.status == 400
    assert len(answer.json()["error"]["message"]) > 3800
    (row,) = rows(gateway, "SELECT error_message FROM aibridge_interceptions")
    for kept in (row[0], gateway.records()[-1]["error_message"]):
        assert kept.startswith("ValidationException: a")
        assert session[:12] not in kept


def test_no_coding_is_asked_for_but_none(aws: Gateway, provider: Provider) -> None:
    """Without a word, a proxy before AWS may take any; what is coded could not be translated."""
    token = aws.user("alice")
    for more in ({}, {"stream": True}):
        provider.answers(whole(WHOLE))
        assert ask(aws, token, {"Accept-Encoding": "gzip, br"}, **more).status == 200
        received = provider.requests[-1]
        assert [value for name, value in received.headers if name.lower() == "accept-encoding"] == ["identity"]
        # AWS's own SDK does not sign it, as a proxy may change it
        assert signature_holds(received)
        assert "accept-encoding" not in received.header("Authorization")


def test_an_exception_amid_a_stream(aws: Gateway, provider: Provider) -> None:
    provider.answers(streamed(event(EVENTS[0]) + exception("throttlingException", "too fast"), 7))
    answer = ask(aws, aws.user("alice"), stream=True)
    last = answer.body.split(b"\n\n")[-2]
    assert last.startswith(b"event: error\ndata: ")
    assert json.loads(last.partition(b"data: ")[2])["error"]["type"] == "rate_limit_error"
    assert aws.records()[-1]["error_type"] == "rate_limit_error"


@pytest.mark.parametrize("damage", ["cut amid a frame", "a wrong checksum"])
def test_a_damaged_stream_breaks_off(aws: Gateway, provider: Provider, damage: str) -> None:
    body = event(EVENTS[0]) + (STREAM[:40] if damage.startswith("cut") else event(EVENTS[1])[:-1] + b"\x00")
    provider.answers(streamed(body, len(body)))
    answer = ask(aws, aws.user("alice"), stream=True)
    assert (answer.broken, answer.body) == (True, SSE[: SSE.index(b"event: content_block_start")])
    assert aws.records()[-1]["error_type"] == "upstream_disconnected"


def test_what_bedrock_does_not_serve(aws: Gateway) -> None:
    answer = aws.request("POST", f"{PATH}/count_tokens", b"{}", token=aws.user("alice"))
    assert answer.status == 501
    assert "Amazon Bedrock" in answer.json()["error"]["message"]


@pytest.mark.parametrize("where", ["static", "chain"])
def test_a_session_token(tmp_path, provider: Provider, where: str) -> None:
    if where == "static":
        env = variables(provider.url, **STATIC, BEDROCK_SESSION_TOKEN="tok-en")
    else:
        chain = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "tok-en"}
        env = {**variables(provider.url), **chain}
    for gateway in running(tmp_path, provider, **env):
        provider.answers(whole(WHOLE))
        assert ask(gateway, gateway.user("alice")).status == 200
        assert signature_holds(provider.requests[-1], "tok-en")
        assert rows(gateway, "SELECT credential_hint FROM aibridge_interceptions") == [("AKID...6789",)]


def test_who_asks_is_told(tmp_path, provider: Provider) -> None:
    env = {**variables(provider.url, **STATIC), "CODER_AIBRIDGE_SEND_ACTOR_HEADERS": "true"}
    for gateway in running(tmp_path, provider, **env):
        provider.answers(whole(WHOLE))
        assert ask(gateway, gateway.user("alice"), {"X-AI-Bridge-Actor-ID": "root"}).status == 200
        (received,) = provider.requests
        told = [value for name, value in received.headers if "actor" in name.lower()]
        assert told == [*rows(gateway, "SELECT initiator_id FROM aibridge_interceptions")[0], "alice"]
        assert signature_holds(received)


def test_as_the_official_sdk_asks_bedrock(aws: Gateway, provider: Provider) -> None:
    token = aws.user("alice")
    betas = {"anthropic-beta": "context-1m-2025-08-07"}
    provider.answers(whole(WHOLE))
    assert ask(aws, token, betas).status == 200
    provider.answers(whole(WHOLE))
    keys = {"aws_access_key": KEY, "aws_secret_key": SECRET, "aws_region": REGION}
    with anthropic.AnthropicBedrock(base_url=provider.url, **keys) as sdk:
        sdk.messages.create(**{**ASK, "model": SONNET}, extra_headers=betas)
    ours, theirs = provider.requests[-2:]
    assert ours.target.replace("%3A", ":") == theirs.target.replace("%3A", ":")
    sent, expected = json.loads(ours.body), json.loads(theirs.body)
    # the one known difference: ours is the version that AWS documents, whatever this SDK's release says
    assert sent.pop("anthropic_version") == "bedrock-2023-05-31"
    del expected["anthropic_version"]
    assert sent == expected


def test_models_that_a_tool_names_are_held_to_those_allowed(tmp_path, provider: Provider) -> None:
    advisor = {"type": "advisor_20260301", "name": "advisor"}
    allowed = variables(provider.url, **STATIC, MODELS="global.anthropic.*")
    for gateway in running(tmp_path, provider, **allowed):
        token = gateway.user("alice")
        for model in ("claude-haiku-4-5", "us.amazon.nova-pro-v1:0"):
            answer = ask(gateway, token, tools=[{**advisor, "model": model}])
            assert (answer.status, model in answer.body.decode()) == (403, True)
        assert provider.requests == []
        provider.answers(whole(WHOLE))
        assert ask(gateway, token, tools=[{**advisor, "model": HAIKU}]).status == 200
        assert provider.requests[-1].target == f"/model/{SONNET.replace(':', '%3A')}/invoke"
