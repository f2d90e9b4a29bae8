"""What an answer of OpenAI's took, by its `usage`, and by what compatible providers make of it.

Spec: https://platform.openai.com/docs/api-reference/chat/object, .../responses/object
"""

from typing import Any

from coderai.formats.loose import count, mapping, text
from coderai.records import Metadata, Tokens

# What a figure's name is in our metadata. LiteLLM has two names for what was written into a cache, or the first; the
# last one is Qwen's.
_ASKED = {
    "audio_tokens": "prompt_audio",
    "cached_tokens": "prompt_cached",
    "cache_creation_tokens": "prompt_cache_write",
    "cache_creation_input_tokens": "prompt_cache_write",
    "cache_write_tokens": "prompt_cache_write",
    "image_tokens": "prompt_image",
}
_MADE = {
    "accepted_prediction_tokens": "completion_accepted_prediction",
    "rejected_prediction_tokens": "completion_rejected_prediction",
    "audio_tokens": "completion_audio",
    "reasoning_tokens": "completion_reasoning",
    "image_tokens": "completion_image",
}


# What is said of it by providers where a request costs what it usually does; Groq's is the last.
_USUAL = ("", "auto", "default", "standard", "on_demand")


def chat_tokens(message_id: str, usage: dict[str, Any], tier: Any) -> Tokens:
    """tier: on which the answer was made; the price depends on it."""
    asked, made = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    # beside the others stand Kimi's and DeepSeek's, and what older versions of LiteLLM say of writing
    cached = asked.get("cached_tokens") or usage.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
    written = asked.get("cache_write_tokens") or asked.get("cache_creation_tokens")
    written = written or asked.get("cache_creation_input_tokens") or usage.get("cache_creation_input_tokens")
    cached, written = count(cached), count(written)
    metadata = _figures(asked, _ASKED) | _figures(made, _MADE) if asked or made else {}
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if (total := count(usage.get("total_tokens"))) > prompt + completion:  # Gemini's and xAI's have thought beside it
        metadata["total_tokens"] = total
    return Tokens(
        message_id=message_id,
        input=max(0, prompt - cached - written),
        output=completion,
        cache_read=cached,
        cache_write=written,
        metadata=metadata | _priced(tier),
    )


def response_tokens(message_id: str, usage: dict[str, Any], tier: Any, of_tools: Any) -> Tokens:
    """of_tools: what the provider's own tools took beside it."""
    details = mapping(usage.get("input_tokens_details"))
    cached, written = details.get("cached_tokens"), details.get("cache_write_tokens")
    split = mapping(details.get("cache_write_tokens_details"))  # by how long they stay there, which has its price
    extra = {
        "input_cached": cached,
        "input_cache_write": written,
        "input_cache_write_12h": split.get("ttl_12h_tokens"),
        "input_cache_write_30m": split.get("ttl_30m_tokens"),
        "output_reasoning": mapping(usage.get("output_tokens_details")).get("reasoning_tokens"),
        "total_tokens": usage.get("total_tokens"),
    }
    return Tokens(
        message_id=message_id,
        input=max(0, count(usage.get("input_tokens")) - count(cached) - count(written)),
        output=count(usage.get("output_tokens")),
        cache_read=count(cached),
        cache_write=count(written),
        metadata={name: count(figure) for name, figure in extra.items() if figure is not None}
        | _beside(mapping(of_tools))
        | _priced(tier),
    )


def _priced(tier: Any) -> Metadata:
    return {"service_tier": given} if (given := text(tier)) not in _USUAL else {}


def _beside(tools: dict[str, Any]) -> Metadata:
    """Searches, and the tokens of the model that makes images: they are in none of the sums."""
    images = mapping(tools.get("image_gen"))
    figures = {
        "web_search_requests": mapping(tools.get("web_search")).get("num_requests"),
        "image_gen_input": images.get("input_tokens"),
        "image_gen_output": images.get("output_tokens"),
        "image_gen_cache_read_input": images.get("cached_tokens"),
    }
    return {name: taken for name, figure in figures.items() if (taken := count(figure))}


def _figures(given: dict[str, Any], names: dict[str, str]) -> Metadata:
    return {ours: count(figure) for name, ours in names.items() if (figure := given.get(name)) is not None}
