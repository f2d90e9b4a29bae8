"""What an answer took, as providers count it: tokens, and what is paid beside them."""

import json

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.records import Tokens
from coderai.stream_tap import StreamTap
from tests.formats.every import COUNTED

CHATS = {"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1005}
FALLBACK = [
    {"type": "message", "model": "a", "input_tokens": 10, "output_tokens": 3},
    {"type": "fallback_message", "model": "b", "input_tokens": 11, "output_tokens": 5},
]


@pytest.mark.parametrize(
    ("format", "usage", "expected", "metadata"),
    [
        (CHAT_COMPLETIONS, CHATS, (1000, 5, 0, 0), {}),
        (CHAT_COMPLETIONS, CHATS | {"total_tokens": 1300}, (1000, 5, 0, 0), {"total_tokens": 1300}),  # Gemini's
        (CHAT_COMPLETIONS, CHATS | {"total_tokens": None}, (1000, 5, 0, 0), {}),
        (  # LiteLLM, of two ages
            CHAT_COMPLETIONS,
            CHATS | {"prompt_tokens_details": {"cached_tokens": 400, "cache_creation_tokens": 500}},
            (100, 5, 400, 500),
            {"prompt_cached": 400, "prompt_cache_write": 500},
        ),
        (
            CHAT_COMPLETIONS,
            CHATS | {"prompt_tokens_details": {"cached_tokens": 400}, "cache_creation_input_tokens": 500},
            (100, 5, 400, 500),
            {"prompt_cached": 400},
        ),
        (  # Qwen
            CHAT_COMPLETIONS,
            CHATS | {"prompt_tokens_details": {"cached_tokens": 0, "cache_creation_input_tokens": 900}},
            (100, 5, 0, 900),
            {"prompt_cached": 0, "prompt_cache_write": 900},
        ),
        (  # DeepSeek
            CHAT_COMPLETIONS,
            CHATS | {"prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100},
            (100, 5, 900, 0),
            {},
        ),
        (CHAT_COMPLETIONS, {"prompt_tokens": 2**70, "completion_tokens": -4}, (2**63 - 1, 0, 0, 0), {}),
        (CHAT_COMPLETIONS, {"prompt_tokens": 1e300, "completion_tokens": 4.0}, (2**63 - 1, 4, 0, 0), {}),
        (
            CHAT_COMPLETIONS,
            {"prompt_tokens": float("nan"), "completion_tokens": float("inf")},
            (0, 2**63 - 1, 0, 0),
            {},
        ),
        (
            MESSAGES,
            COUNTED | {"output_tokens_details": {"thinking_tokens": 3}, "service_tier": "priority", "speed": "fast"},
            (10, 5, 0, 0),
            {"output_thinking": 3, "service_tier": "priority", "speed": "fast"},
        ),
        (
            MESSAGES,
            COUNTED | {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 2}, "service_tier": None},
            (10, 5, 0, 0),
            {"web_search_requests": 1, "web_fetch_requests": 2},
        ),
        (  # OpenAI, images asked with
            CHAT_COMPLETIONS,
            CHATS | {"prompt_tokens_details": {"image_tokens": 800}, "completion_tokens_details": {"image_tokens": 0}},
            (1000, 5, 0, 0),
            {"prompt_image": 800, "completion_image": 0},
        ),
        (  # billed as if the model that it fell back on had been asked first
            MESSAGES,
            COUNTED | {"fallback_credit": {"status": {"type": "redeemed"}}},
            (10, 5, 0, 0),
            {"fallback_credit": "redeemed"},
        ),
        (MESSAGES, COUNTED | {"fallback_credit": {"status": {"type": "not_applied"}}}, (10, 5, 0, 0), {}),
        (MESSAGES, COUNTED | {"inference_geo": "us"}, (10, 5, 0, 0), {"inference_geo": "us"}),
        (MESSAGES, COUNTED | {"inference_geo": "global", "service_tier": "standard"}, (10, 5, 0, 0), {}),
        (MESSAGES, COUNTED | {"iterations": FALLBACK}, (10, 5, 0, 0), {"fallback_message_model": "b"}),
        (MESSAGES, {"input_tokens": -1, "output_tokens": 2**64}, (0, 2**63 - 1, 0, 0), {}),
        (RESPONSES, COUNTED | {"total_tokens": 2**80}, (10, 5, 0, 0), {"total_tokens": 2**63 - 1}),
    ],
)
def test_what_an_answer_took(format: Format, usage: dict, expected: tuple[int, ...], metadata: dict) -> None:
    (tokens,) = format.read(format.whole(json.dumps({"id": "i", "usage": usage}).encode())).findings
    assert isinstance(tokens, Tokens)
    assert (tokens.input, tokens.output, tokens.cache_read, tokens.cache_write) == expected
    assert tokens.metadata == metadata


IMAGES = {"input_tokens": 50, "output_tokens": 4000, "total_tokens": 4050, "cached_tokens": 7}


@pytest.mark.parametrize(
    ("beside", "metadata"),
    [
        ({"service_tier": "priority"}, {"service_tier": "priority"}),
        ({"service_tier": "default", "tool_usage": {"web_search": {"num_requests": 0}}}, {}),
        ({"service_tier": 5, "tool_usage": [{}]}, {}),
        (
            {"service_tier": "flex", "tool_usage": {"image_gen": IMAGES, "web_search": {"num_requests": 3}}},
            {
                "service_tier": "flex",
                "web_search_requests": 3,
                "image_gen_input": 50,
                "image_gen_output": 4000,
                "image_gen_cache_read_input": 7,
            },
        ),
    ],
)
def test_what_a_response_costs_beside_its_tokens(beside: dict, metadata: dict) -> None:
    answer = {"id": "r", "object": "response", "usage": COUNTED} | beside
    ended = json.dumps({"type": "response.completed", "response": answer}).encode()
    for read in (RESPONSES.fold([ended]), RESPONSES.whole(json.dumps(answer).encode())):
        (tokens,) = RESPONSES.read(read).findings
        assert isinstance(tokens, Tokens) and tokens.metadata == metadata


@pytest.mark.parametrize(("tier", "metadata"), [("flex", {"service_tier": "flex"}), ("default", {}), (None, {})])
def test_what_a_completion_costs_beside_its_tokens(tier: str | None, metadata: dict) -> None:
    base = {"id": "c", "service_tier": tier}
    chunks = [base | {"choices": [{"index": 0, "delta": {"content": "x"}}]}, {"id": "c", "usage": CHATS, "choices": []}]
    for read in (
        CHAT_COMPLETIONS.fold([json.dumps(chunk).encode() for chunk in chunks]),
        CHAT_COMPLETIONS.whole(json.dumps(base | {"choices": [], "usage": CHATS}).encode()),
    ):
        (tokens,) = CHAT_COMPLETIONS.read(read).findings
        assert isinstance(tokens, Tokens) and tokens.metadata == metadata


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": CHATS}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"id": "r", "usage": CHATS}},
    ],
)
def test_usage_of_a_stream_that_was_not_asked_for_it_may_stand_elsewhere(elsewhere: dict) -> None:
    """Kimi's in the choice, Groq's in a field of its own; where it stands at the top as well, that one counts."""
    first: dict = {"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}}], "x_groq": {"id": "r"}}
    for last, output in (({}, 5), ({"choices": [], "usage": {"completion_tokens": 6}}, 6)):
        tap = StreamTap(CHAT_COMPLETIONS, None)
        for chunk in (first, elsewhere, last):
            tap.feed(b"data: %b\n\n" % json.dumps({"id": "c"} | chunk).encode())
        tap.feed(b"data: [DONE]\n\n")
        (tokens,) = tap.read().findings
        assert isinstance(tokens, Tokens) and tokens.output == output
