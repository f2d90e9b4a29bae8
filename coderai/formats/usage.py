"""What an answer of OpenAI's took, by its `usage`, and by what compatible providers make of it.

Spec: https://platform.openai.com/docs/api-reference/chat/object, .../responses/object
"""

from typing import Any

from coderai.formats.loose import count, mapping
from coderai.records import Metadata, Tokens

# What a figure's name is in our metadata. LiteLLM has both names for what was written into a cache, or the first.
_ASKED = {
    "audio_tokens": "prompt_audio",
    "cached_tokens": "prompt_cached",
    "cache_creation_tokens": "prompt_cache_write",
    "cache_write_tokens": "prompt_cache_write",
}
_MADE = {
    "accepted_prediction_tokens": "completion_accepted_prediction",
    "rejected_prediction_tokens": "completion_rejected_prediction",
    "audio_tokens": "completion_audio",
    "reasoning_tokens": "completion_reasoning",
}


def chat_tokens(message_id: str, usage: dict[str, Any]) -> Tokens:
    asked, made = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    # beside the others stand Kimi's and DeepSeek's, and what older versions of LiteLLM say of writing
    cached = asked.get("cached_tokens") or usage.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
    kept = asked.get("cache_write_tokens") or asked.get("cache_creation_tokens")
    cached, kept = count(cached), count(kept or usage.get("cache_creation_input_tokens"))
    metadata = _figures(asked, _ASKED) | _figures(made, _MADE) if asked or made else {}
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if (total := count(usage.get("total_tokens"))) > prompt + completion:  # Gemini's and xAI's have thought beside it
        metadata["total_tokens"] = total
    return Tokens(
        message_id=message_id,
        input=max(0, prompt - cached - kept),
        output=completion,
        cache_read=cached,
        cache_write=kept,
        metadata=metadata,
    )


def response_tokens(message_id: str, usage: dict[str, Any]) -> Tokens:
    details = mapping(usage.get("input_tokens_details"))
    cached, kept = details.get("cached_tokens"), details.get("cache_write_tokens")
    extra = {
        "input_cached": cached,
        "input_cache_write": kept,
        "output_reasoning": mapping(usage.get("output_tokens_details")).get("reasoning_tokens"),
        "total_tokens": usage.get("total_tokens"),
    }
    return Tokens(
        message_id=message_id,
        input=max(0, count(usage.get("input_tokens")) - count(cached) - count(kept)),
        output=count(usage.get("output_tokens")),
        cache_read=count(cached),
        cache_write=count(kept),
        metadata={name: count(figure) for name, figure in extra.items() if figure is not None},
    )


def _figures(given: dict[str, Any], names: dict[str, str]) -> Metadata:
    return {ours: count(figure) for name, ours in names.items() if (figure := given.get(name)) is not None}
