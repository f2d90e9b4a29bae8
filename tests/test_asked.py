"""What lenient servers make of a request: nobody leaves tokens, or what runs in the background, out of the trail."""

import json

import pytest

from coderai.formats import CHAT_COMPLETIONS, RESPONSES

TRUE = [True, 1, 1.0, "true", "True", "1", "on", "yes"]
FALSE = [False, None, 0, "false", "", "0", [], {}]


@pytest.mark.parametrize("stream", TRUE)
def test_whatever_is_taken_for_true_is_a_stream(stream: object) -> None:
    ask = CHAT_COMPLETIONS.ask(json.dumps({"model": "m", "stream": stream}).encode())
    assert (ask.stream, ask.withholds_usage) == (True, True)
    assert json.loads(ask.body)["stream_options"] == {"include_usage": True}
    assert RESPONSES.ask(json.dumps({"model": "m", "input": "x", "background": stream}).encode()).background


@pytest.mark.parametrize("stream", FALSE)
def test_whatever_is_not_is_none(stream: object) -> None:
    body = json.dumps({"model": "m", "stream": stream}).encode()
    ask = CHAT_COMPLETIONS.ask(body)
    assert (ask.stream, ask.withholds_usage, ask.body) == (False, False, body)
    assert not RESPONSES.ask(json.dumps({"model": "m", "input": "x", "background": stream}).encode()).background


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ('{"include_usage":0}', {"include_usage": True}),
        ('{"include_usage":"no","x":[1]}', {"include_usage": True, "x": [1]}),
        ('{"x":{"include_usage":false}}', {"x": {"include_usage": False}, "include_usage": True}),
        ('{"include_usage":true,"include_usage":false}', {"include_usage": True}),
        ('{"x":"\\"include_usage\\""}', {"x": '"include_usage"', "include_usage": True}),
    ],
)
def test_usage_is_asked_for_whatever_the_options_say(options: str, asked: object) -> None:
    ask = CHAT_COMPLETIONS.ask(b'{"model":"m","stream":true,"stream_options":%b,"n":1}' % options.encode())
    assert json.loads(ask.body, object_pairs_hook=once) == {
        "model": "m",
        "stream": True,
        "stream_options": asked,
        "n": 1,
    }


def once(members: list[tuple[str, object]]) -> dict[str, object]:
    """An object with no key twice: some parsers take the first, some the last."""
    assert len(dict(members)) == len(members)
    return dict(members)
