"""Which models a request names beside its `model`: a provider may answer with any of them."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from coderai.formats.format import NotUnderstood
from coderai.formats.members import each, members, pairs

# Within what names models, the fields that do. A tool's `parameters` name its arguments, but for OpenRouter's own.
_WITHIN = ("model", "models", "analysis_models", "tools")
_OPENROUTER = "openrouter:"

# Of what a fallback asks for otherwise, the lists: they hold no models, but texts.
_ASKING = frozenset(("messages", "input", "system", "stop", "stop_sequences", "betas", "include", "modalities"))

Pairs = tuple[tuple[str, Any], ...]  # of an object
# What of an object may name models, and what of the objects within that does.
Within = Callable[[Pairs], Iterator[tuple[Any, Any]]]


def _fields(given: Pairs) -> Iterator[tuple[Any, Within]]:
    openrouters = any(str(inner).startswith(_OPENROUTER) for key, inner in given if key == "type")
    for key, inner in given:
        if key.casefold() in _WITHIN or (openrouters and key == "parameters"):
            yield inner, _fields


def _fallbacks(given: Pairs) -> Iterator[tuple[Any, Within]]:
    """Anthropic's objects have a `model`; LiteLLM's are maps from one model to others, whatever else they have."""
    named = any(key.casefold() == "model" for key, _ in given)
    for key, inner in given:
        if (folded := key.casefold()) in _WITHIN:
            yield inner, _fields
        elif not named or (isinstance(inner, list) and folded not in _ASKING):
            yield inner, _fallbacks


def _maps(given: Pairs) -> Iterator[tuple[Any, Within]]:
    return ((inner, _fallbacks) for _, inner in given)


def _gateways(given: Pairs) -> Iterator[tuple[Any, Within]]:
    """Of the options of many providers, those of Vercel's gateway."""
    return ((inner, _fields) for key, inner in given if key.casefold() == "gateway")


# What names models, and what of the objects in it does. Models to fall back on:
# https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback, https://docs.litellm.ai/docs/proxy/reliability
# and https://openrouter.ai/docs/guides/routing/model-fallbacks, which has plugins and presets, too;
# https://vercel.com/docs/ai-gateway/models-and-providers/provider-options; and tools that are models themselves
# (Anthropic's advisor, OpenAI's image generation, which an item of the input may bring along).
_NAMING: Mapping[str, Within] = {
    "models": _fields,
    "tools": _fields,
    "plugins": _fields,
    "preset": _fields,
    "fallbacks": _fallbacks,
    "context_window_fallbacks": _maps,
    "content_policy_fallbacks": _maps,
    "context_window_fallback_dict": _maps,
    "provideroptions": _gateways,
}
# One of these is in whatever names a model; in whole bodies, `model` and `tools` are as well where nothing else is. One
# regex is three times as fast as a search for each.
_TELLING = re.compile(b'"(?:%b)"' % "|".join({*_NAMING, *_WITHIN}).encode())
_TELLING_OF_BODY = re.compile(b'"(?:%b)"' % "|".join({*_NAMING, *_WITHIN} - {"model", "tools"}).encode())
# Of these letters a name may be written with escapes, or with letters that fold to its own (long s, Kelvin).
_ESCAPES = (b"\\u004", b"\\u005", b"\\u006", b"\\u007", b"\\u017f", b"\\u212a")
_LETTERS = ("\u017f".encode(), "\u212a".encode())
# Lists and objects within each other, and names in one field: none that is meant has a tenth of it.
_DEEPEST = 20
_MOST_NAMES = 1000


def also_named(body: bytes) -> list[str]:
    """These models; raises NotUnderstood where a name is there twice: the provider may take another than we do."""
    small = body.lower()
    if small.count(b'"model"') < 2 and not _tells(small, _TELLING_OF_BODY):
        return []  # nearly always
    found = _folded(body)
    models: list[str] = []
    for item in each(found.get("input", b"[]")):
        if item.startswith(b"{") and _tells(item.lower(), _TELLING):
            models += _of_tools(_folded(item))  # brought along
    models += _of_tools(found)
    for name in _NAMING:
        if name != "tools":
            models += _models(name, pairs(found.get(name, b"null")))
    return models


def _tells(small: bytes, names: re.Pattern[bytes]) -> bool:
    return (
        names.search(small) is not None
        or (b"\\u" in small and any(escape in small for escape in _ESCAPES))
        or (not small.isascii() and any(letter in small for letter in _LETTERS))
    )


def _folded(body: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, given in members(body).items():
        if (folded := name.casefold()) in found:
            raise NotUnderstood(f"the body names its {folded} more than once")
        found[folded] = given
    return found


def _of_tools(found: dict[str, bytes]) -> list[str]:
    """Most of many tools name no model, and are not parsed."""
    telling = (tool for tool in each(found.get("tools", b"[]")) if _tells(tool.lower(), _TELLING))
    return _models("tools", pairs(b"[%b]" % b",".join(telling)))


def _models(field: str, given: Any) -> list[str]:
    """A name, several, or objects in which they are."""
    models = []
    for model in _walked(given, _DEEPEST, _NAMING[field]):
        models.append(model)
        if len(models) > _MOST_NAMES:
            raise NotUnderstood(f"the body names more than {_MOST_NAMES} models")
    return models


def _walked(given: Any, deep: int, within: Within) -> Iterator[str]:
    if not deep:
        raise NotUnderstood("what may name models in the body is nested too deeply")
    if isinstance(given, str):
        yield given
    elif isinstance(given, list):
        for one in given:
            yield from _walked(one, deep - 1, within)
    elif isinstance(given, tuple):
        for inner, its in within(given):
            yield from _walked(inner, deep - 1, its)
