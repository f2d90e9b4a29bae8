"""The keys of one provider as text: with commas, or line ends, between them."""

from coderai.config.kinds import SECRET, Kind

_QUOTES = "\"'`[]"
MOST_KEYS = 5  # of one provider, as in Coder


def in_quotes(text: str) -> bool:
    return bool(text) and (text[0] in _QUOTES or text[-1] in _QUOTES)


def keys_in(text: str) -> tuple[str, ...]:
    """Raises ValueError."""
    keys = tuple(key.strip() for key in text.strip().replace("\n", ",").split(","))
    for index, key in enumerate(keys):
        if not key:
            raise ValueError(f"key at index {index} is empty; remove {'the comma' if len(keys) > 1 else 'it'}")
        if in_quotes(key):
            raise ValueError(f"key at index {index} is in quotes or brackets; leave them out")
        if key in keys[:index]:
            raise ValueError(f"duplicate key at index {index}; remove it")
    if len(keys) > MOST_KEYS:
        raise ValueError(f"too many keys ({len(keys)}), maximum is {MOST_KEYS}")
    return keys


def _joined(text: str) -> str:
    return ",".join(SECRET.parse(key) for key in keys_in(text)) if text else ""


KEYS = Kind(
    "string", f"a key without white space, or up to {MOST_KEYS} with commas between", _joined, empty_is_value=True
)
