"""Which models a request names beside its `model`: a provider may answer with any of them."""

from collections.abc import Iterator
from typing import Any

from coderai.formats.format import NotUnderstood
from coderai.formats.members import each, members, pairs

# What names models: https://openrouter.ai/docs/guides/routing/model-fallbacks (and its plugins and presets),
# https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback, and tools that are models themselves
# (Anthropic's advisor, OpenAI's image generation, which an item of the input may bring along).
_NAMING = ("models", "fallbacks", "tools", "plugins", "preset")
_QUOTED = [f'"{name}"'.encode() for name in _NAMING if name != "tools"]
# Of these letters a name may be written with escapes, or with letters that fold to its own (long s, Kelvin).
_ESCAPES = [b"\\u004", b"\\u005", b"\\u006", b"\\u007", b"\\u017", b"\\u212", "\u017f".encode(), "\u212a".encode()]
# Within what names models, the fields that do. A tool's `parameters` name its arguments, but for OpenRouter's own.
_WITHIN = ("model", "models", "analysis_models", "tools")
_OPENROUTER = "openrouter:"
_TELLING = [*(f'"{name}"'.encode() for name in _WITHIN), *_ESCAPES]


def also_named(body: bytes) -> list[str]:
    """These models; raises NotUnderstood where a name is there twice: the provider may take another than we do."""
    small = body.lower()
    if small.count(b'"model"') < 2 and not _has(small, [*_QUOTED, *_ESCAPES]):
        return []  # nearly always
    found: dict[str, bytes] = {}
    for name, given in members(body).items():
        if (folded := name.casefold()) in found:
            raise NotUnderstood(f"the body names its {folded} more than once")
        found[folded] = given
    models = [model for item in _telling(found.get("input", b"")) for model in _brought_along(item)]
    for name in _NAMING:
        given = found.get(name, b"null")
        models += _models(_telling(given) if name == "tools" else pairs(given))
    return models


def _has(small: bytes, some: list[bytes]) -> bool:
    return any(one in small for one in some)


def _telling(given: bytes) -> Any:
    """Those of a list that may name a model, of tools or items: most do not."""
    return pairs(b"[%b]" % b",".join(one for one in each(given) if _has(one.lower(), _TELLING)))


def _brought_along(item: Any) -> Iterator[str]:
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
