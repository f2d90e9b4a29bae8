"""The last user prompt of a request: what all three formats agree on.

A coding tool's last message is not always its user's: real ones put system messages behind it, and blocks that
are nothing but a `<system-reminder>` within it. Images and files are noted by kind and size, never kept.
"""

from typing import Any

from coderai.formats.loose import items, mapping, text, value
from coderai.records import Metadata, Prompt

_BEHIND = ("system", "developer")
_REMINDER = "<system-reminder>", "</system-reminder>"


def last_message(messages: Any) -> dict[str, Any]:
    """The last message or item that is no system or developer message; {} if there is none."""
    found = value(messages)
    for message in reversed(found if isinstance(found, list) else []):
        fields = mapping(message)
        if fields.get("role") not in _BEHIND:
            return fields
    return {}


def is_prompt(words: str) -> bool:
    """Whether it is anything but one reminder, which may hold whole files."""
    begin, end = _REMINDER
    stripped = words.strip()
    return bool(words) and not (stripped.startswith(begin) and 0 < stripped.find(end) == len(stripped) - len(end))


def prompt_of(message: dict[str, Any], text_types: tuple[str, ...], *, joined: bool = False) -> Prompt | None:
    """The prompt in a message of the user's: its last text part, or (joined) all of them."""
    if message.get("role") != "user":
        return None
    content = value(message.get("content"))
    if isinstance(content, str):
        return Prompt(content) if is_prompt(content) else None
    parts = [mapping(part) for part in items(content)]
    texts = [text(part.get("text")) for part in parts if part.get("type") in text_types]
    texts = [words for words in texts if is_prompt(words)]
    attached = [noted for part in parts if (noted := _attachment(part)) is not None]
    if not texts and not attached:
        return None
    metadata: Metadata = {"attachments": attached} if attached else {}
    return Prompt("\n".join(texts) if joined else (texts or [""])[-1], metadata)


_ATTACHED = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "document": "file",
    "file": "file",
    "input_file": "file",
    "input_audio": "audio",
}


def _attachment(part: dict[str, Any]) -> Metadata | None:
    """An image, a file or audio by kind, media type and size in bytes, as far as the request tells."""
    kind = _ATTACHED.get(text(part.get("type")))
    if kind is None:
        return None
    source = next((part[name] for name in ("source", "image_url", "file", "input_audio") if name in part), part)
    if isinstance(source, str):
        source = {"url": source}
    source = mapping(source)
    data = text(source.get("data")) or text(source.get("file_data"))
    media_type = text(source.get("media_type"))
    url = text(source.get("url")) or data
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        media_type = head[5:].partition(";")[0]
    noted: Metadata = {"kind": kind}
    if media_type:
        noted["media_type"] = media_type
    if data:
        noted["size"] = len(data) * 3 // 4 - data[-2:].count("=")
    return noted
