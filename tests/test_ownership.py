"""What a provider keeps opens to its maker only: stored responses, conversations, and what builds on them."""

import gzip
from pathlib import Path

import pytest

from tests.gateway import PROVIDER_KEY, Gateway
from tests.provider import Provider, stream, whole

pytestmark = pytest.mark.on_both_databases

OPENAI = "/api/v2/aibridge/openai"


@pytest.fixture(scope="module")
def bob(gateway: Gateway) -> str:
    return gateway.user("bob")


def test_a_stored_response_opens_to_its_maker_only(gateway: Gateway, provider: Provider, token: str, bob: str) -> None:
    provider.answers(whole(b'{"id":"resp_alice","object":"response","output":[]}'))
    gateway.request("POST", f"{OPENAI}/v1/responses", b'{"model":"m","input":"x"}', token=token)
    provider.answers(whole(b'{"id":"conv_alice","object":"conversation"}'))
    gateway.request("POST", f"{OPENAI}/v1/conversations", b"{}", token=token)
    provider.reset()
    for path in ("/responses/resp_alice", "/responses/resp_alice/input_items", "/conversations/conv_alice/items"):
        for method in ("GET", "DELETE", "POST"):
            answer = gateway.request(method, f"{OPENAI}/v1{path}", token=bob)
            assert answer.status == 404
            assert provider.requests == []
            noted = gateway.records()[-1]
            assert (noted["record_type"], noted["route"], noted["status"]) == ("passthrough", path, 404)
        provider.answers(whole(b'{"id":"1"}'))
        assert gateway.request("GET", f"{OPENAI}/v1{path}", token=token).status == 200
        assert [request.target for request in provider.requests] == [f"/v1{path}"]
        provider.reset()
    assert gateway.request("GET", f"{OPENAI}/v1/responses/resp_nobody", token=token).status == 404
    provider.answers(whole(b'{"id":"conv_refused"}', "400 Bad Request"))
    assert gateway.request("POST", f"{OPENAI}/v1/conversations", b"{}", token=bob).status == 400
    assert gateway.request("GET", f"{OPENAI}/v1/conversations/conv_refused", token=bob).status == 404


def test_nobody_goes_on_from_another_user_s_response(
    gateway: Gateway, provider: Provider, token: str, bob: str
) -> None:
    provider.answers(whole(b'{"id":"resp_of_alice","object":"response","output":[]}'))
    gateway.request("POST", f"{OPENAI}/v1/responses", b'{"model":"m","input":"x"}', token=token)
    provider.reset()
    for more in (b'"previous_response_id":"resp_of_alice"', b'"conversation":{"id":"resp_of_alice"}'):
        ask = b'{"model":"m","input":"what did I say?",%b}' % more
        answer = gateway.request("POST", f"{OPENAI}/v1/responses", ask, token=bob)
        assert (answer.status, answer.header("x-should-retry")) == (404, "false")
        assert provider.requests == []
        provider.answers(whole(b'{"id":"resp_next","object":"response","output":[]}'))
        assert gateway.request("POST", f"{OPENAI}/v1/responses", ask, token=token).status == 200
        provider.reset()
        count = f"{OPENAI}/v1/responses/input_tokens"
        gzipped = {"Content-Encoding": "gzip"}
        assert gateway.request("POST", count, ask, token=bob).status == 404
        assert gateway.request("POST", count, ask.replace(b'"model":"m",', b""), token=bob).status == 404
        assert gateway.request("POST", count, gzip.compress(ask), gzipped, token=bob).status == 404
        assert gateway.request("POST", count, ask, gzipped, token=bob).status == 415
        assert gateway.request("POST", count, b"[]", token=bob).status == 400
        assert provider.requests == []


def test_whatever_else_it_goes_on_from(gateway: Gateway, provider: Provider, token: str, bob: str) -> None:
    """What nobody is known to have made may be older than the trail; it opens nothing that is known as another's."""
    provider.answers(whole(b'{"id":"resp_known","object":"response","output":[]}'))
    gateway.request("POST", f"{OPENAI}/v1/responses", b'{"model":"m","input":"x"}', token=token)
    provider.reset()
    older = b'"previous_response_id":"resp_older"'
    for more in (b'"conversation":"resp_known",%b' % older, b'%b,"conversation":{"id":"resp_known"}' % older):
        ask = b'{"model":"m","input":"what did I say?",%b}' % more
        assert gateway.request("POST", f"{OPENAI}/v1/responses", ask, token=bob).status == 404
        assert provider.requests == []
    provider.answers(whole(b'{"id":"resp_next","object":"response","output":[]}'))
    ask = b'{"model":"m","input":"go on",%b}' % older
    assert gateway.request("POST", f"{OPENAI}/v1/responses", ask, token=bob).status == 200


def test_nor_by_another_name_of_the_same_provider(tmp_path: Path, provider: Provider) -> None:
    two = {f"CODER_AIBRIDGE_PROVIDER_0_{name}": value for name, value in (("TYPE", "openai"), ("NAME", "second"))}
    two |= {"CODER_AIBRIDGE_PROVIDER_0_BASE_URL": f"{provider.url}/v1", "CODER_AIBRIDGE_PROVIDER_0_KEY": PROVIDER_KEY}
    gateway = Gateway(tmp_path, provider.url, **two)
    alice, bob = gateway.user("alice"), gateway.user("bob")
    names = (f"{OPENAI}/v1/responses", "/api/v2/aibridge/second/v1/responses")
    for n, (made, asked) in enumerate((names, names[::-1])):
        provider.answers(whole(b'{"id":"resp_hers_%d","object":"response","output":[]}' % n))
        gateway.request("POST", made, b'{"model":"m","input":"x"}', token=alice)
        ask = b'{"model":"m","input":"what did I say?","previous_response_id":"resp_hers_%d"}' % n
        assert gateway.request("POST", asked, ask, token=bob).status == 404
        assert gateway.request("GET", f"{asked}/resp_hers_{n}", token=bob).status == 404
        provider.answers(whole(b'{"id":"resp_next","object":"response","output":[]}'))
        assert gateway.request("GET", f"{asked}/resp_hers_{n}", token=alice).status == 200
    assert gateway.stop() == 0


@pytest.mark.parametrize("streamed", [False, True])
def test_nobody_goes_on_from_another_user_s_thread(
    gateway: Gateway, provider: Provider, token: str, bob: str, streamed: bool
) -> None:
    """Anthropic's threads: the provider keeps what was said, under the ids of its answers."""
    path = "/api/v2/aibridge/anthropic/v1/messages?beta=true"
    body = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"what did I say?"}],"thread":%b}'
    first, second = f"msg_first_{streamed}", f"msg_second_{streamed}"
    thread = b'{"type":"create"}'
    for message_id in (first, second):
        message = b'{"id":"%b","type":"message","content":[]}' % message_id.encode()
        events = (b'data: {"type":"message_start","message":%b}\n\n' % message, b'data: {"type":"message_stop"}\n\n')
        provider.answers(stream(*events) if streamed else whole(message))
        assert gateway.request("POST", path, body % thread, token=token).status == 200
        thread = b'{"type":"continue","previous_message_id":"%b"}' % message_id.encode()
        provider.reset()
        answer = gateway.request("POST", path, body % thread, token=bob)
        assert (answer.status, answer.json()["error"]["type"], provider.requests) == (404, "not_found_error", [])
        coded = gateway.request("POST", path, body % thread, {"Content-Encoding": "x-own"}, token=bob)
        assert (coded.status, provider.requests) == (415, [])
