"""That a body's members are found as any other reader finds them, and that none is there twice."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderai.formats.also_named import also_named
from coderai.formats.format import NotUnderstood
from coderai.formats.members import members

NAMES = st.sampled_from(["a", "b", "models", '"', "\\", "{", "a,", "é", "NaN", 'x":1,"y', "\ud83d", "\u2028", ""])
VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.lists(st.tuples(NAMES, VALUES, st.sampled_from(["", " ", "\n\t"])), max_size=5)


@given(MEMBERS, st.sampled_from([",", " , ", ",\n"]), st.booleans(), st.sampled_from(["", " ", "\ufeff"]))
def test_as_others_find_them(given: list[tuple[str, Any, str]], comma: str, escaped: bool, before: str) -> None:
    written = [
        f"{json.dumps(name, ensure_ascii=escaped)}{space}:{space}{json.dumps(value, ensure_ascii=escaped)}"
        for name, value, space in given
    ]
    body = f"{before}{{{comma.join(written)}}} ".encode("utf-8", "surrogatepass")
    names = [name for name, *_ in given]
    found = None
    with suppress(NotUnderstood):
        found = members(body)
    assert (found is None) == (len(set(names)) < len(names))
    if found is not None:
        assert len(found) == len(names)
        integers = {name: value for name, value, _ in given if isinstance(value, int) and "\ud83d" not in name}
        assert {name: json.loads(found[name]) for name in integers} == integers


@pytest.mark.parametrize("first", ["12", "1.5", "1e1", "-1", "[1]", '"1"'])
@pytest.mark.parametrize("last", ["1", "-1", "[1]", '"1"'])
def test_one_that_is_there_twice_is_found_whatever_it_is(first: str, last: str) -> None:
    for between in ("", '"b":1,', '"b":[],"b":{},'):
        with pytest.raises(NotUnderstood, match="more than once"):
            members(f'{{"a":{first},{between}"a":{last}}}'.encode())


def test_oddities_as_many_as_they_are() -> None:
    """Half a surrogate pair, beside whole ones and what only looks like one."""
    body = rb'{"a":"%b","b":"\\ud83","c":"\ud83d","d":"\\ud83d\\"}' % (rb"\ud83d\ude00" * 20_000)
    assert list(members(body)) == ["a", "b", "c", "d"]


def test_only_what_may_name_a_model_has_to_be_short() -> None:
    picture = {"type": "input_image", "image_url": "a" * 2_000_000}
    words = {"type": "input_text", "text": "Może żonkil™ \u017f \\u0041"}
    item = {"type": "message", "role": "user", "content": [words, picture]}
    brought = {"type": "additional_tools", "tools": [{"type": "image_generation", "model": "b"}]}
    assert also_named(json.dumps({"model": "a", "input": [item, brought]}).encode()) == ["b"]
    assert also_named(json.dumps({"model": "a", "input": "\u017f" + "a" * 2_000_000}).encode()) == []


def test_what_only_looks_like_a_model_s_name_is_none() -> None:
    asked = {"messages": [{"role": "user", "content": "x"}], "stop": ["END"], "stop_sequences": ["END"], "betas": ["y"]}
    fallback = {"model": "b", "speed": "fast", **asked, "tools": [{"type": "function", "name": "f"}]}
    tool = {"type": "function", "name": "deploy", "gateway": "prod", "parameters": {"model": {"type": "string"}}}
    body = {"model": "a", "tools": [tool], "fallbacks": [fallback]}
    options = {"gateway": {"order": ["azure"], "models": ["c"]}, "openai": {"reasoningEffort": "high"}}
    assert sorted(also_named(json.dumps({**body, "providerOptions": options}).encode())) == ["b", "c"]
