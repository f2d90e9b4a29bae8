"""That a body's members are found as any other reader finds them, and that none is there twice."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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
