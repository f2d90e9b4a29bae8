"""Which models a request names beside its `model`: a provider may answer with any of them."""

import json
from collections.abc import Iterator
from typing import Any

from coderai.formats.format import NotUnderstood

# What names models: https://openrouter.ai/docs/guides/routing/model-fallbacks (and its plugins and presets),
# https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback, and tools that are models themselves
# (Anthropic's advisor, OpenAI's image generation, which an item of the input may bring along).
_NAMING = ("models", "fallbacks", "tools", "plugins", "preset")
_QUOTED = [f'"{name}"'.encode() for name in _NAMING if name != "tools"]
# Of these letters a name may be written with escapes, or with letters that fold to its own (long s, Kelvin).
_ESCAPES = (b"\\u004", b"\\u005", b"\\u006", b"\\u007", b"\\u017", b"\\u212", "\u017f".encode(), "\u212a".encode())
# Within what names models, the fields that do. A tool's `parameters` name its arguments, but for OpenRouter's own.
_WITHIN = ("model", "models", "analysis_models", "tools")
_OPENROUTER = "openrouter:"


def also_named(body: bytes) -> list[str]:
    """These models; raises NotUnderstood where a name is there twice: the provider may take another than we do."""
    small = body.lower()
    if small.count(b'"model"') < 2 and not any(map(small.__contains__, (*_QUOTED, *_ESCAPES))):
        return []  # nearly always
    try:  # objects as tuples of pairs, which keep what is there twice
        fields = json.loads(body.decode("utf-8-sig", "replace"), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise NotUnderstood("the body's JSON cannot be read to its end") from None
    found: dict[str, list[Any]] = {name: [] for name in ("model", "input", *_NAMING)}
    for key, given in fields:
        if (name := key.casefold()) in found:
            found[name].append(given)
    if twice := [name for name, given in found.items() if len(given) > 1]:
        raise NotUnderstood(f"the body names its {twice[0]} more than once")
    return [*_brought_along(found["input"]), *(model for name in _NAMING for model in _models(found[name]))]


def _brought_along(given: list[Any]) -> Iterator[str]:
    """By the input's items."""
    for some in given:
        for item in some if isinstance(some, list) else ():
            if isinstance(item, tuple):
                yield from _models([inner for key, inner in item if key.casefold() == "tools"])


def _models(given: Any) -> Iterator[str]:
    """A name, several, or objects with a `model`."""
    if isinstance(given, str):
        yield given
    elif isinstance(given, list):
        for one in given:
            yield from _models(one)
    elif isinstance(given, tuple):
        openrouters = any(str(inner).startswith(_OPENROUTER) for key, inner in given if key == "type")
        for key, inner in given:
            if key.casefold() in _WITHIN or (openrouters and key == "parameters"):
                yield from _models(inner)
