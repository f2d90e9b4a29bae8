"""What a message cost, by its `usage`. Spec: https://docs.anthropic.com/en/api/messages#response-usage"""

from typing import Any

from coderai.formats.loose import count, items, mapping, text
from coderai.records import Metadata, Tokens


def tokens_of(message_id: str, usage: dict[str, Any]) -> Tokens:
    split = mapping(usage.get("cache_creation"))
    used = mapping(usage.get("server_tool_use"))
    extra = {
        "web_search_requests": used.get("web_search_requests"),
        "web_fetch_requests": used.get("web_fetch_requests") or None,
        "cache_creation_input": usage.get("cache_creation_input_tokens"),
        "cache_read_input": usage.get("cache_read_input_tokens"),
        "cache_ephemeral_1h_input": split.get("ephemeral_1h_input_tokens"),
        "cache_ephemeral_5m_input": split.get("ephemeral_5m_input_tokens"),
        "output_thinking": mapping(usage.get("output_tokens_details")).get("thinking_tokens"),
    }
    metadata: Metadata = {name: count(figure) for name, figure in extra.items() if figure is not None}
    return Tokens(
        message_id=message_id,
        input=count(usage.get("input_tokens")),
        output=count(usage.get("output_tokens")),
        cache_read=count(usage.get("cache_read_input_tokens")),
        cache_write=count(usage.get("cache_creation_input_tokens")),
        metadata=metadata | _priced(usage) | _beside(usage),
    )


_USUAL = ("", "standard", "global", "not_available")
# A retry on another model costs what it had cost there all along.
_REDEEMED = "redeemed"


def _priced(usage: dict[str, Any]) -> Metadata:
    """What the price depends on beside the figures, where it is not as usual."""
    told = ((name, text(usage.get(name))) for name in ("service_tier", "speed", "inference_geo"))
    credit = text(mapping(mapping(usage.get("fallback_credit")).get("status")).get("type"))
    redeemed = {"fallback_credit": credit} if credit == _REDEEMED else {}
    return {name: given for name, given in told if given not in _USUAL} | redeemed


# https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback
_FALLBACK = "fallback_message"
# What its name in an iteration is in our metadata.
_BESIDE = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read_input",
    "cache_creation_input_tokens": "cache_creation_input",
}


def _beside(usage: dict[str, Any]) -> Metadata:
    """What other models took, and compactions: it is in none of the sums. And the model that answered for another."""
    found: dict[str, int] = {}
    answered: Metadata = {}
    for each in map(mapping, items(usage.get("iterations"))):
        if (kind := text(each.get("type"))) in ("compaction", "advisor_message"):
            for name, ours in _BESIDE.items():
                if figure := count(each.get(name)):
                    found[f"{kind}_{ours}"] = count(found.get(f"{kind}_{ours}", 0) + figure)
        elif kind == _FALLBACK and (model := text(each.get("model"))):
            answered[f"{kind}_model"] = model
    return found | answered
