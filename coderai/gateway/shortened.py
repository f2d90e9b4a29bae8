"""A finding whose text is longer than what is stored of one."""

from msgspec.structs import replace

from coderai.records import Finding, Metadata, Prompt, Thought, ToolCall


def shortened(finding: Finding, limit: int) -> Finding:
    """The finding with its text cut to `limit` bytes of UTF-8, and the full length noted in its metadata."""
    match finding:
        case Prompt(text=text, metadata=metadata):
            field = "text"
            if "other_parts" in metadata:
                finding = replace(finding, metadata={**metadata, **_others(metadata["other_parts"], limit)})
        case ToolCall(input=text):
            field = "input"
        case Thought(content=text):
            field = "content"
        case _:
            return finding
    kept, length = _cut(text, limit)
    if kept is text:
        return finding
    return replace(finding, **{field: kept, "metadata": {**finding.metadata, "truncated": True, "full_length": length}})


def _cut(text: str, limit: int) -> tuple[str, int]:
    """The same text if it is no longer than `limit` bytes of UTF-8, else what is left of it, and how many it had."""
    if len(text) * 4 <= limit:  # the usual case: no character is longer than four bytes
        return text, 0
    data = text.encode("utf-8", "surrogatepass")
    return (text if len(data) <= limit else data[:limit].decode("utf-8", "ignore")), len(data)


BETWEEN = 4  # quotes, a comma: as the parts stand in JSON


def _others(texts: list[str], limit: int) -> Metadata:
    """What stands beside the prompt, of `limit` bytes all together."""
    kept: list[str] = []
    for text in texts:
        if limit <= 0:
            break
        kept.append(_cut(text, limit)[0])
        limit -= len(kept[-1].encode("utf-8", "surrogatepass")) + BETWEEN
    return {"other_parts": kept} if kept == texts else {"other_parts": kept, "other_parts_truncated": True}
