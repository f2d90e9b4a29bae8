"""What is asked: requests that are refused, the splice that asks for usage, what is no prompt."""

import json
import tracemalloc

import pytest

from coderai.formats import CHAT_COMPLETIONS
from coderai.formats.format import Format, NotUnderstood
from coderai.formats.prompt import is_prompt
from tests.formats.every import each


@each
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"model":""}', b'{"model":5}', b"null"])
def test_no_object_or_no_model(format: Format, body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        format.ask(body)


BODY = b'{"model":"m","stream":true,%b"messages":[{"role":"user","content":"{\\"stream_options\\":null}"}]}'
ASKED = b'"stream_options":{"include_usage":true}'


@pytest.mark.parametrize(
    ("options", "spliced"),
    [
        (b'"stream_options":null,', ASKED + b","),
        (b'"stream_options":false,', ASKED + b","),
        (b'"stream_options":{},', ASKED + b","),
        (b'"stream_options" : { "include_usage" : false },', None),
        (b'"stream\\u005foptions":{"x":1},', b'"stream\\u005foptions":{"include_usage":true,"x":1},'),
        (b'"stream_options":{"include\\u005fusage":false,"x":1},', None),
        (b'"stream_options":{"x":"}"},', b'"stream_options":{"include_usage":true,"x":"}"},'),
    ],
)
def test_usage_is_asked_for_by_splicing(options: bytes, spliced: bytes | None) -> None:
    ask = CHAT_COMPLETIONS.ask(BODY % options)
    assert ask.withholds_usage
    assert json.loads(ask.body)["stream_options"]["include_usage"] is True
    if spliced is not None:
        assert ask.body == BODY % spliced


def test_what_need_not_be_changed_is_the_very_same_bytes() -> None:
    for body in (BODY % (ASKED + b","), (BODY % b"").replace(b"true", b"false")):
        assert CHAT_COMPLETIONS.ask(body).body is body
    assert CHAT_COMPLETIONS.ask(BODY % b"", include_usage=False).body == BODY % b""


@pytest.mark.parametrize("options", [b"", b'"stream_options":{},'])
def test_splicing_into_a_large_body_takes_little_more_memory_than_the_body(options: bytes) -> None:
    """With an escape in it, which any letter beyond ASCII may be, and one long string, as an image is."""
    body = (BODY % options).replace(b"null", b"\\u00e9" + b"A" * 3_000_000)
    tracemalloc.start()
    ask = CHAT_COMPLETIONS.ask(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert json.loads(ask.body)["stream_options"] == {"include_usage": True}
    assert peak < 6 * len(body)


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        ("\n<system-reminder>\nthe date\n</system-reminder> \n", False),
        ("<system-reminder></system-reminder>", False),
        ("<system-reminder>a</system-reminder>mend it", True),
        ("mend it<system-reminder>a</system-reminder>", True),
        ("<system-reminder>a</system-reminder><system-reminder>b</system-reminder>", True),
        ("<system-reminder>", True),
        ("</system-reminder>", True),
        (" ", True),
        ("", False),
    ],
)
def test_what_is_nothing_but_a_reminder_is_no_prompt(words: str, prompt: bool) -> None:
    assert is_prompt(words) is prompt
