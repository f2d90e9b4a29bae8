"""What users type while a tool works, refuses or asks: it stands in no message of their own, and is a prompt.

Of Claude Code 2.1.197 and OpenCode 1.18.33, as they were seen, or as their code has it.
"""

import json

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.records import Prompt
from tests.tool_calls import ANSWERED, RESULT

TYPED = (
    "The user sent a new message while you were working:\nalso drop\n\nthe table"
    "\n\nIMPORTANT: After completing your current task, you MUST address the user's message above."
)
OLDER = "The user sent the following message:\nalso drop\n\nthe table\n\nPlease address this message and go on."
BEFORE = {"role": "system", "content": TYPED.replace("drop", "keep")}


@pytest.mark.parametrize(
    "behind",
    [
        [{"role": "user", "content": [RESULT]}, {"role": "system", "content": TYPED}],
        [{"role": "user", "content": [RESULT]}, {"role": "system", "content": [{"type": "text", "text": TYPED}]}],
        [
            {
                "role": "user",
                "content": [RESULT, {"type": "text", "text": f"<system-reminder>{OLDER}</system-reminder>"}],
            }
        ],
        [
            {
                "role": "user",
                "content": [{**RESULT, "content": f"out\n\n<system-reminder>\n{TYPED}\n</system-reminder>\n"}],
            }
        ],
    ],
)
def test_what_was_typed_while_claude_code_worked_is_a_prompt(behind: list[object]) -> None:
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [BEFORE, ANSWERED, *behind]}).encode())
    assert ask.prompt == Prompt("also drop\n\nthe table", {"source": "queued"})
    assert ask.tool_call_id == "t"


@pytest.mark.parametrize("before", ["", "PostToolUse:Bash hook additional context: tested\n\n"])
@pytest.mark.parametrize("behind", ["", "\n\nThe date has changed."])
def test_each_of_several_messages_that_were_typed_meanwhile_is_in_the_prompt(before: str, behind: str) -> None:
    """As Claude Code 2.1.197 puts them into one system message, or into one reminder."""
    told = f"{before}{TYPED}\n\n{TYPED.replace('drop', 'keep')}{behind}"
    prompt = Prompt("also drop\n\nthe table\nalso keep\n\nthe table", {"source": "queued"})
    for said in (
        [{"role": "user", "content": [RESULT]}, {"role": "system", "content": told}],
        [{"role": "user", "content": [RESULT, {"type": "text", "text": f"<system-reminder>{told}</system-reminder>"}]}],
    ):
        assert MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, *said]}).encode()).prompt == prompt
    quoted = {"role": "system", "content": f"{before}> {TYPED}{behind}"}
    asked = json.dumps({"model": "m", "messages": [ANSWERED, {"role": "user", "content": [RESULT]}, quoted]}).encode()
    assert MESSAGES.ask(asked).prompt is None


def test_what_only_looks_like_it_is_none() -> None:
    for result in (TYPED, f"<system-reminder>\n{TYPED}", f"<system-reminder>\n{TYPED}\n</system-reminder> and more"):
        behind = {"role": "user", "content": [{**RESULT, "content": result}]}
        assert MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, behind]}).encode()).prompt is None


def test_a_user_s_own_important_is_the_user_s() -> None:
    typed = TYPED.replace("the table", "the table\n\nIMPORTANT: now")
    behind = [ANSWERED, {"role": "user", "content": [RESULT]}, {"role": "system", "content": typed}]
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": behind}).encode())
    assert ask.prompt == Prompt("also drop\n\nthe table\n\nIMPORTANT: now", {"source": "queued"})


def test_so_is_a_heading_that_the_user_typed() -> None:
    heading = TYPED.partition("\n")[0]
    amid = f"the table\n\n{heading}\nand the keys\n\n{heading}\nand the logs"
    behind = [
        ANSWERED,
        {"role": "user", "content": [RESULT]},
        {"role": "system", "content": TYPED.replace("the table", amid)},
    ]
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": behind}).encode())
    assert ask.prompt == Prompt(f"also drop\n\n{amid}", {"source": "queued"})


def in_reminders(*typed: str) -> list[str]:
    return [f"<system-reminder>\n{words}\n</system-reminder>" for words in typed]


def in_all_shapes(*typed: str) -> list[list[dict]]:
    """As Claude Code 2.1.197 sends it for newer and older models."""
    reminders = in_reminders("Todo", *typed, "The date has changed.")
    return [
        [{"role": "user", "content": [RESULT]}, {"role": "system", "content": "\n\n".join(typed)}],
        [{"role": "user", "content": [{**RESULT, "content": "\n\n".join(("out", *reminders))}]}],
    ]


def test_each_message_typed_meanwhile_may_stand_in_a_reminder_of_its_own_behind_a_result() -> None:
    """Of two, the first was on no record."""
    for said in in_all_shapes(TYPED, TYPED.replace("drop", "keep")):
        ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, *said]}).encode())
        assert ask.prompt == Prompt("also drop\n\nthe table\nalso keep\n\nthe table", {"source": "queued"})


@pytest.mark.parametrize(
    "amid",
    [
        "</system-reminder> it",
        "<system-reminder> it",
        "it\n</system-reminder>\n\n<system-reminder>\nThe user sent a new message while you were working:\nnot",
        "it\n\nThe user sent a new message while you were working:",
    ],
)
def test_what_its_user_types_of_a_reminder_s_keeps_nothing_off_the_record(amid: str) -> None:
    for said in in_all_shapes(TYPED.replace("the table", amid)):
        ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, *said]}).encode())
        assert ask.prompt == Prompt(f"also drop\n\n{amid}", {"source": "queued"})


def test_what_was_typed_meanwhile_is_beside_what_was_typed_while_a_call_was_allowed() -> None:
    """Claude Code puts the latter behind the call's result."""
    allowed = {"type": "text", "text": "but not there"}
    for said in in_all_shapes(TYPED):
        said[0]["content"].append(allowed)
        ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, *said]}).encode())
        assert ask.prompt == Prompt("but not there", {"other_parts": ["also drop\n\nthe table"]})
    refused = {"role": "user", "content": [{**RESULT, "content": CLAUDE}, RESULT, allowed]}
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, refused]}).encode())
    assert ask.prompt == Prompt("but not there", {"other_parts": ["not there"]})


def test_what_was_typed_before_the_last_message_was_recorded_when_it_was_new() -> None:
    queued = in_all_shapes(TYPED)[0]
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [*queued, {"role": "user", "content": "hi"}]}).encode())
    assert ask.prompt == Prompt("hi")


def test_an_image_that_came_with_what_was_typed_meanwhile_is_noted() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    said = {"role": "user", "content": [RESULT, {"type": "text", "text": in_reminders(TYPED)[0]}, image]}
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, said]}).encode())
    noted = [{"kind": "image", "media_type": "image/png", "size": 3}]
    assert ask.prompt == Prompt("also drop\n\nthe table", {"source": "queued", "attachments": noted})


REFUSED = "The user rejected permission to use this specific tool call with the following feedback: not there"
CLAUDE = (
    "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the"
    " new_string was NOT written to the file). To tell you how to proceed, the user said:\nnot there"
)
NOTE = "\n\nNote: The user's next message may contain a correction or preference. Pay close attention."
WORKER = (
    "Permission for this tool use was denied. The tool use was rejected (eg. if it was a file edit, the new_string"
    " was NOT written to the file). The user said:\nnot there"
)
CHOSEN = '"Which one?"="SQLite", "How?"="as. You can now continue with it"'
ANSWERS = [
    (f"Your questions have been answered: {CHOSEN}. You can now continue with these answers in mind.", CHOSEN),
    (f"User has answered your questions: {CHOSEN}. You can now continue with the user's answers in mind.", CHOSEN),
    ("The user responded: not now. You can now continue with it.", "not now. You can now continue with it."),
]


def with_result(format: Format, result: str, *behind: object) -> bytes:
    """A request that an earlier refusal stands in, too."""
    if format is RESPONSES:
        call = {"type": "function_call", "call_id": "t", "name": "bash", "arguments": "{}"}
        earlier = {"type": "function_call_output", "call_id": "s", "output": REFUSED}
        outputs = [{"type": "function_call_output", "call_id": "t", "output": words} for words in (result, "done")]
        return json.dumps({"model": "m", "input": [earlier, call, *outputs, *behind]}).encode()
    if format is CHAT_COMPLETIONS:
        said = [{"role": "tool", "tool_call_id": "t", "content": words} for words in (REFUSED, result, "done")]
        said.insert(1, {"role": "assistant", "content": ""})
    else:
        results = [{**RESULT, "content": words, "is_error": True} for words in (REFUSED, result, "done")]
        said = [{"role": "user", "content": results[:1]}, ANSWERED, {"role": "user", "content": results[1:]}]
    return json.dumps({"model": "m", "messages": [*said, *behind]}).encode()


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, RESPONSES, MESSAGES], ids=lambda format: format.path)
@pytest.mark.parametrize("result", [REFUSED, CLAUDE, CLAUDE + NOTE, WORKER])
def test_what_was_typed_while_a_call_was_refused_is_a_prompt_once(format: Format, result: str) -> None:
    """As OpenCode 1.18.33 was seen to send it in all three formats."""
    ask = format.ask(with_result(format, result))
    assert (ask.prompt, ask.tool_call_id) == (Prompt("not there", {"source": "feedback"}), "t")
    assert format.ask(with_result(format, f"> {result}")).prompt is None
    said = {"role": "user", "content": "go on"}
    assert format.ask(with_result(format, result, said)).prompt == Prompt("go on")


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, RESPONSES, MESSAGES], ids=lambda format: format.path)
@pytest.mark.parametrize(("result", "answer"), ANSWERS)
def test_what_was_answered_to_a_tool_that_asks_is_a_prompt(format: Format, result: str, answer: str) -> None:
    """As the code of Claude Code 2.1 (AskUserQuestion) and of OpenCode 1.18.33 (question) puts it."""
    assert format.ask(with_result(format, result)).prompt == Prompt(answer, {"source": "answer"})
    assert format.ask(with_result(format, "The user did not answer the questions.")).prompt is None


def test_a_note_that_the_user_typed_is_the_user_s() -> None:
    ask = MESSAGES.ask(with_result(MESSAGES, f"{CLAUDE}{NOTE} and drop it{NOTE}"))
    assert ask.prompt == Prompt(f"not there{NOTE} and drop it", {"source": "feedback"})


def test_what_was_typed_while_a_call_was_refused_is_on_record_beside_what_was_typed_before() -> None:
    reminder = {"type": "text", "text": f"<system-reminder>{TYPED}</system-reminder>"}
    said = {"role": "user", "content": [{**RESULT, "content": CLAUDE}, reminder]}
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, said]}).encode())
    assert ask.prompt == Prompt("also drop\n\nthe table", {"source": "queued", "other_parts": ["not there"]})


def test_of_several_messages_behind_a_tool_s_result_the_earlier_stand_beside_the_prompt() -> None:
    said = [{"role": "user", "content": words} for words in ("drop it", "and the keys")]
    for format in (CHAT_COMPLETIONS, RESPONSES, MESSAGES):
        ask = format.ask(with_result(format, "done", *said))
        assert ask.prompt == Prompt("and the keys", {"other_parts": ["drop it"]})
