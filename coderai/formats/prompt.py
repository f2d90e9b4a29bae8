"""The last user prompt of a request: what all three formats agree on.

A coding tool's last message is not always its user's: real ones put system messages behind it, and into it blocks
that are nothing but a `<system-reminder>`, the files that it names, or what the editor looks like. Images and files are
noted by kind and size, never kept.
"""

import re
from collections.abc import Sequence
from itertools import islice, takewhile
from typing import Any

from coderai.formats.loose import items, mapping, text, texts_in, value
from coderai.records import Metadata, Prompt

_BEHIND = ("system", "developer")
# Items of an input that tell the provider what to do, and the model nothing.
_ASIDE = ("compaction_trigger", "configuration_update")
REMINDER_BEGIN, REMINDER_END = "<system-reminder>", "</system-reminder>"
# OpenCode's headings of what it has read for its user, which stands behind them as it is.
_READING = r"Called the \w+ tool with the following input: |Reading MCP resource: "
_HAS_READ = re.compile(_READING)
# What tools add of their own, in parts (or items) beside the user's words: Cline and its kin, Codex, OpenCode's files,
# resources and agents, Claude Code's images, skills, tools that it loads, what its background tasks tell and what a
# command prints that its user runs.
_ADDED = re.compile(
    r"<(environment_details|environment_context|user_instructions|skill|turn_aborted|subagent_notification"
    r"|task-notification|local-command-stdout)>.*</\1>|<bash-stdout>.*</bash-stderr>"
    rf"|<path>.*</(?:content|entries)>|(?:{_READING}).*|Read tool failed to read .* with the following error: .*"
    r"|Failed to read MCP resource .*|\[Binary MCP resource .*\]|Tool loaded\."
    r"|\[Image: [^\]]*\]|Base directory for this skill: .*"
    r"|Use the above message and context to generate a prompt and call the task tool with subagent: .*",
    re.DOTALL,
)
# The result of Claude Code's Skill tool. What the skill says stands behind it, in a text like any other.
_LAUNCHED = "Launching skill: "


def behind_answer(messages: Any) -> list[dict[str, Any]]:
    """The messages, or items, that follow upon the last answer, in their order."""
    backwards = map(mapping, reversed(items(messages)))
    return [*takewhile(_is_said, backwards)][::-1]


def _is_said(message: dict[str, Any]) -> bool:
    """To the model, and not by it: its calls have no role, nor have the answers to them."""
    role, kind = message.get("role"), text(message.get("type"))
    return role != "assistant" if role is not None else kind in _ASIDE or kind.endswith(("_output", "_response"))


def last_message(messages: Any) -> tuple[dict[str, Any], list[str]]:
    """The last message or item that is no system's, developer's or provider's, nor all a tool's own; {} if none is.

    And what the user's messages say that were passed over for it, or stand right before it, for `prompt_of`: its user
    may have typed what looks like a tool's, and several messages while a tool worked.
    """
    latest = _latest(messages)
    if len(latest) == 1:  # as it mostly is
        return latest[0], []
    last = next((message for message in latest if not _is_added(message)), None)
    if last is None:  # all are a tool's: then the newest is it
        last = latest[0] if latest else {}
    others = (message for message in reversed(latest) if message is not last and message.get("role") == "user")
    return last, [words for message in others for words in texts_in(message.get("content")) if is_prompt(words)]


def _latest(messages: Any) -> list[dict[str, Any]]:
    """The last messages that are the user's by their role, and what came of a tool before them; the newest first."""
    latest: list[dict[str, Any]] = []
    for message in map(mapping, reversed(items(messages))):
        if message.get("role") in _BEHIND or message.get("type") in _ASIDE:
            continue
        if latest and not _is_clients(message):
            break
        latest.append(message)
        if message.get("role") != "user":
            break
    return latest


def is_prompt(words: str) -> bool:
    """Whether it is anything but one reminder, which may hold whole files."""
    stripped = words.strip()
    end = len(stripped) - len(REMINDER_END)
    return bool(words) and not (stripped.startswith(REMINDER_BEGIN) and 0 < stripped.find(REMINDER_END) == end)


def prompt_of(
    message: dict[str, Any], text_types: tuple[str, ...], beside: Sequence[str] = (), *, joined: bool = False
) -> Prompt | None:
    """The prompt in a message of the user's: its last text part that no tool has added, or (joined) all of them.

    What else stands there of text, or `beside` it, is kept (`other_parts`): which is the user's can only be guessed.
    """
    if message.get("role") != "user":
        return None
    content = value(message.get("content"))
    if isinstance(content, str):
        return Prompt(content, _others(beside)) if is_prompt(content) else None
    parts = [mapping(part) for part in items(content)]
    texts = [text(part.get("text")) for part in parts if part.get("type") in text_types]
    texts = [words for words in texts if is_prompt(words)]
    skills = sum(map(_launches, parts))
    users = [place for place in range(skills, len(texts)) if not _is_tools(texts, place)]
    metadata = attachments(message)
    if not users and any(part.get("type") == "tool_result" for part in parts):
        return None
    if not texts and not metadata:
        return None
    if joined or not texts:
        return Prompt("\n".join(texts), metadata | _others(beside))
    chosen = users[-1] if users else len(texts) - 1
    return Prompt(texts[chosen], metadata | _others([*texts[:chosen], *texts[chosen + 1 :], *beside]))


def _is_tools(texts: Sequence[str], place: int) -> bool:
    """Whether a tool has added this one of a message's texts."""
    if _ADDED.fullmatch(texts[place].strip()):
        return True
    return place > 0 and _HAS_READ.match(texts[place - 1]) is not None


def _others(texts: Sequence[str]) -> Metadata:
    return {"other_parts": [*texts]} if texts else {}


def _launches(part: dict[str, Any]) -> bool:
    return part.get("type") == "tool_result" and text(value(part.get("content"))).startswith(_LAUNCHED)


def _is_added(message: dict[str, Any]) -> bool:
    """Whether it is a user's message by its role only."""
    if message.get("role") != "user":
        return False
    texts = texts_in(message.get("content"))
    return bool(texts) and all(_ADDED.fullmatch(words.strip()) for words in texts)


def _is_clients(message: dict[str, Any]) -> bool:
    """Whether it is the user's words, or what came of a tool."""
    return message.get("role") in ("user", "tool") or text(message.get("type")).endswith("_output")


_ATTACHED = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "document": "file",
    "file": "file",
    "input_file": "file",
    "container_upload": "file",
    "input_audio": "audio",
    "audio_url": "audio",
    "video_url": "video",
}
# More than any provider takes, and the longest media type that RFC 6838 knows: rows and log lines keep within bounds.
_MOST_ATTACHED, _LONGEST_TYPE = 1000, 255
_SOURCES = ("source", "image_url", "file", "input_audio", "audio_url", "video_url")


def attachments(message: dict[str, Any]) -> Metadata:
    """The images, files and so on of a message, for its prompt's metadata."""
    parts = map(mapping, items(message.get("content")))
    noted = (attached for part in parts if (attached := _attachment(part)) is not None)
    if not (kept := [*islice(noted, _MOST_ATTACHED)]):
        return {}
    return {"attachments": kept, "attachments_truncated": True} if next(noted, None) else {"attachments": kept}


def _attachment(part: dict[str, Any]) -> Metadata | None:
    """An image, a file, audio or a video by kind, media type and size in bytes, as far as the request tells."""
    kind = _ATTACHED.get(text(part.get("type")))
    if kind is None:
        return None
    source = next((part[name] for name in _SOURCES if name in part), part)
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
        noted["media_type"] = media_type[:_LONGEST_TYPE]
    if data:
        plain = source.get("type") == "text"  # else base64
        noted["size"] = len(data.encode("utf-8", "replace")) if plain else len(data) * 3 // 4 - data[-2:].count("=")
    return noted
