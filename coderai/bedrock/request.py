"""A messages request as the body of InvokeModel: what Bedrock refuses is taken out, all else keeps its bytes.

Spec: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
"""

import json
import re
from typing import Any

import msgspec
from msgspec import Raw

VERSION = Raw(b'"bedrock-2023-05-31"')
_CONTEXT_MANAGEMENT = "context-management-2025-06-27"
_EFFORT = "effort-2025-11-24"
# Flags that Bedrock takes; where it takes them of some models only, those.
_BETAS: dict[str, tuple[str, ...]] = {
    "computer-use-2025-01-24": (),
    "token-efficient-tools-2025-02-19": (),
    "interleaved-thinking-2025-05-14": (),
    "output-128k-2025-02-19": (),
    "dev-full-thinking-2025-05-14": (),
    "context-1m-2025-08-07": (),
    _CONTEXT_MANAGEMENT: ("sonnet-4-5", "haiku-4-5"),
    _EFFORT: ("opus-4-5",),
    "tool-search-tool-2025-10-19": (),
    "tool-examples-2025-10-29": (),
}
_STRIPPED = ("model", "stream", "metadata", "service_tier", "container", "inference_geo")
# The share of max_tokens that thinking may take, by the effort asked for.
_SHARES = {"low": 0.2, "medium": 0.5, "high": 0.8, "max": 0.95}
MOST_TOKENS = 2**53  # what is no number of tokens cannot be shared out
LEAST_BUDGET = 1024  # Anthropic refuses a smaller one
# `claude-opus-4-5`, `claude-opus-4-20250514`, and the older `claude-3-7-sonnet`
_MODEL_VERSION = re.compile(r"claude-(?:[a-z]+-(\d+)(?:-(\d{1,2})(?!\d))?|(\d+)(?:-(\d{1,2})(?!\d))?)")
_BETWEEN = re.compile(r"[\s,:]*")
_LAST_WITHOUT_ADAPTIVE = (4, 5)


class NotTranslated(ValueError):
    """The request cannot be put to Bedrock."""


def translate(body: bytes, betas: str, model: str) -> tuple[bytes, bool]:
    """The body for `model`, and whether a stream is asked for. betas: the client's anthropic-beta header."""
    fields = _fields(body)
    streamed = bytes(fields.get("stream", b"")) == b"true"
    flags = _flags(betas, fields.get("anthropic_beta"), model)
    if _lacks_adaptive(model):
        _bound_thinking(fields)
    for name in _STRIPPED:
        fields.pop(name, None)
    if _EFFORT not in flags:
        fields.pop("output_config", None)
    if _CONTEXT_MANAGEMENT not in flags:
        fields.pop("context_management", None)
    fields.pop("anthropic_beta", None)
    fields["anthropic_version"] = VERSION
    if flags:
        fields["anthropic_beta"] = Raw(msgspec.json.encode(flags))
    try:
        return msgspec.json.encode(fields), streamed
    except UnicodeEncodeError:
        raise NotTranslated("the name of a field holds half of a surrogate pair") from None


def _fields(body: bytes) -> dict[str, Raw]:
    """Of two fields of one name the last, as whoever reads it would have it."""
    try:
        return msgspec.json.decode(body, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # for half of a surrogate pair, say, of which JavaScript writes many
    except RecursionError:
        raise NotTranslated("the request is nested too deeply to be translated for Bedrock") from None
    try:
        return _sliced(body.decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError) as fault:
        raise NotTranslated(f"the request cannot be translated for Bedrock: {fault}") from None


def _sliced(text: str) -> dict[str, Raw]:
    """The same by the standard library, which takes nearly all, yet tells where each value begins and ends."""
    decoder = json.JSONDecoder()
    if not isinstance(decoder.decode(text), dict):
        raise ValueError("it is no object")
    fields = {}
    at = text.index("{") + 1
    while text[at := _between(text, at)] == '"':
        name, at = decoder.raw_decode(text, at)
        begin = _between(text, at)
        _, at = decoder.raw_decode(text, begin)
        fields[name] = Raw(text[begin:at].encode("utf-8", "surrogateescape"))
    return fields


def _between(text: str, at: int) -> int:
    """Where the next name or value begins, or the bracket is that ends it all."""
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _flags(header: str, in_body: Raw | None, model: str) -> list[str]:
    asked = [flag.strip() for flag in header.split(",")]
    also = _value(in_body)
    asked += [flag for flag in also if isinstance(flag, str)] if isinstance(also, list) else []
    return [flag for flag in dict.fromkeys(asked) if flag and _takes(flag, model)]


def _takes(flag: str, model: str) -> bool:
    """A model newer than the lists here knows best itself which of these flags it takes."""
    if flag not in _BETAS:
        return False
    models = _BETAS[flag]
    return not models or any(name in model for name in models) or _newer(model)


def _version(model: str) -> tuple[int, int] | None:
    match = _MODEL_VERSION.search(model)
    if match is None:
        return None
    return int(match[1] or match[3]), int(match[2] or match[4] or 0)


def _newer(model: str) -> bool:
    version = _version(model)
    return version is not None and version > _LAST_WITHOUT_ADAPTIVE


def _lacks_adaptive(model: str) -> bool:
    """Newer models refuse budgets; of one that cannot be read off its id (an ARN) nothing is known: it is left be."""
    version = _version(model)
    return version is not None and version <= _LAST_WITHOUT_ADAPTIVE


def _bound_thinking(fields: dict[str, Raw]) -> None:
    thinking = _value(fields.get("thinking"))
    if not isinstance(thinking, dict) or thinking.get("type") != "adaptive":
        return
    output = _value(fields.get("output_config"))
    effort = output.get("effort") if isinstance(output, dict) else None
    share = _SHARES.get(effort, _SHARES["high"]) if isinstance(effort, str) else _SHARES["high"]
    most = _value(fields.get("max_tokens"))
    budget = int(most * share) if isinstance(most, int) and 0 < most < MOST_TOKENS else 0
    bounded: dict[str, Any] = {"type": "enabled", "budget_tokens": budget}
    fields["thinking"] = Raw(msgspec.json.encode(bounded if budget >= LEAST_BUDGET else {"type": "disabled"}))


def _value(raw: Raw | None) -> Any:
    try:
        return None if raw is None else json.loads(bytes(raw))
    except (ValueError, RecursionError) as fault:
        raise NotTranslated(f"the body cannot be read: {fault}") from None
