"""What happens to values that a database cannot hold, before they are accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderai.records import AnsweredPrompt, Prompt, ProviderObject, Record, Thought, Tokens, ToolCall
from coderai.store.storable import METADATA_DEPTH, fitted, storable
from tests.trail import ended, exchange, found, started


def test_clean_records_are_the_same_objects() -> None:
    for record in exchange(client_session_id="ä" * 256, model="模型"):
        assert storable(record) is record


@pytest.mark.parametrize(
    ("text", "stored"),
    [("a\x00b", "a\\x00b"), ("a\udc80b", "a\\udc80b"), ("😀\ud83d", "😀\\ud83d"), ("a\x1bb\n", "a\x1bb\n")],
)
def test_what_cannot_be_stored_is_shown_escaped(text: str, stored: str) -> None:
    start = started()
    assert storable(found(start, Prompt(text))).finding.text == stored
    assert storable(found(start, AnsweredPrompt(Prompt(text), text))).finding == AnsweredPrompt(Prompt(stored), stored)
    assert storable(found(start, Thought("", {"k": [{text: text}]}))).finding.metadata == {"k": [{stored: stored}]}


@pytest.mark.parametrize("prompt", [Prompt("a\x00b"), Prompt("", {"other_parts": ["c", "a\x00b"]})])
def test_the_line_of_a_prompt_says_what_its_row_says(prompt: Prompt) -> None:
    start = started()
    assert fitted(found(start, AnsweredPrompt(prompt, "m"))).finding.prompt == storable(found(start, prompt)).finding
    clean = found(start, AnsweredPrompt(Prompt("a", {"other_parts": ["b"], "images": 1}), "m"))
    assert fitted(clean) is clean


@pytest.mark.parametrize("parts", [None, 5, "c", {"c": 1}, [None, 5]])
def test_parts_that_somebody_changed_keep_a_prompt_of_a_dead_process_from_nothing(parts: object) -> None:
    changed = found(started(), AnsweredPrompt(Prompt("a", {"other_parts": parts}), ""))
    assert fitted(changed) is changed


def test_integers_are_clamped_to_64_bits() -> None:
    tokens = Tokens(message_id="m", input=2**70, output=-(2**70), cache_read=5, metadata={"n": 2**64})
    kept = storable(found(started(), tokens)).finding
    assert (kept.input, kept.output, kept.cache_read) == (2**63 - 1, -(2**63), 5)
    assert kept.metadata == {"n": 2**63 - 1}


def test_texts_are_cut_to_their_columns() -> None:
    start = storable(
        started(client="c" * 65, client_session_id="s" * 257, credential_hint="h" * 16, model="m" * 10_000)
    ).finding
    assert [len(text) for text in (start.client, start.client_session_id, start.credential_hint, start.model)] == [
        64,
        256,
        15,
        512,
    ]
    call = ToolCall(message_id="m" * 600, call_id="c" * 600, tool="t" * 600, input="i" * 100_000)
    kept = storable(found(started(correlating_tool_call_id="c" * 600), call)).finding
    assert [len(text) for text in (kept.message_id, kept.call_id, kept.tool, kept.input)] == [
        512,
        512,
        512,
        100_000,
    ]


def test_what_no_database_has_refused_is_cut_and_escaped_as_well() -> None:
    """SQLite takes any length, and a NUL, behind which others see nothing; a copy in PostgreSQL could not hold it."""
    start = started(model="m" * 513, client_session_id="s" * 257)
    assert [len(text) for text in (fitted(start).finding.model, fitted(start).finding.client_session_id)] == [512, 256]
    assert fitted(found(start, Thought("a\x00b"))).finding.content == "a\\x00b"
    for field in ("input", "server_url"):
        call = ToolCall(**{"message_id": "m", "call_id": "c", "tool": "t", "input": "i", field: "a\x00b"})
        assert getattr(fitted(found(start, call)).finding, field) == "a\\x00b"
    assert len(fitted(found(start, ProviderObject("o" * 513, "openai", "u"))).finding.object_id) == 512
    for record in exchange(client_session_id="s" * 256, model="m" * 512):
        assert fitted(record) is record


def test_metadata_that_is_no_json_becomes_text() -> None:
    deep: dict[str, object] = {}
    for _ in range(100):
        deep = {"deeper": deep}
    kept = storable(found(started(), Thought("", {"odd": 1j, "deep": deep, "x\x00": 0.5}))).finding.metadata
    assert (kept["odd"], kept["x\\x00"]) == ("1j", 0.5)
    below = kept["deep"]
    for _ in range(METADATA_DEPTH - 1):
        below = below["deeper"]
    assert below.startswith("{'deeper': {")


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=20))
def test_any_text_can_be_encoded_afterwards(text: str) -> None:
    record: Record = storable(found(started(), Prompt(text)))
    assert "\x00" not in record.finding.text
    record.finding.text.encode()


def test_an_error_that_repeats_the_request_is_cut() -> None:
    """It is kept longer than contents are."""
    start = started()
    end = storable(ended(start, error_type="t" * 600, error_message="m" * 100_000)).finding
    call = storable(
        found(
            start,
            ToolCall(
                message_id="m",
                call_id="c",
                tool="t",
                input="",
                server_url="u" * 100_000,
                invocation_error="e" * 100_000,
            ),
        )
    ).finding
    assert [len(text) for text in (end.error_type, end.error_message)] == [512, 4096]
    assert [len(text) for text in (call.server_url, call.invocation_error)] == [4096, 4096]
