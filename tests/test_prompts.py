"""Which of a request's texts is its user's prompt: as real tools write them.

Of Claude Code 2.1.197, Codex 0.169.0 and OpenCode 1.18.33 as they were seen; of Cline by its npm package.
"""

import json

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.records import Prompt
from tests.tool_calls import ANSWERED, RESULT


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, RESPONSES, MESSAGES], ids=lambda format: format.path)
def test_what_is_noted_of_attachments_keeps_within_bounds(format: Format) -> None:
    """A type of megabytes, or as many images, stood whole in the row and in the log line."""
    image = {"type": "image", "source": {"media_type": "m" * 1_000_000, "data": "AAAA"}}
    noted = {"kind": "image", "media_type": "m" * 255, "size": 3}
    for given, more in ((1000, {}), (1001, {"attachments_truncated": True})):
        content = [image, *({"type": "image"} for _ in range(given - 1))]
        said = [{"role": "user", "content": content}]
        ask = format.ask(json.dumps({"model": "m", "input" if format is RESPONSES else "messages": said}).encode())
        assert ask.prompt == Prompt("", {"attachments": [noted, *([{"kind": "image"}] * 999)], **more})


FILE = "<path>/work/notes.txt</path>\n<type>file</type>\n<content>\n1: notes\n</content>"
READ = 'Called the Read tool with the following input: {"filePath":"/work/notes.txt"}'
FOLDER = "<path>/work</path>\n<type>directory</type>\n<entries>\nnotes.txt\n\n(1 entries)\n</entries>"
FAILED = "Read tool failed to read /work/none with the following error: File not found: /work/none"
RESOURCE = "Reading MCP resource: notes (notes://1)"
AGENT = " Use the above message and context to generate a prompt and call the task tool with subagent: general"
EDITOR = "<environment_details>\n# VSCode Visible Files\n</environment_details>"


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, MESSAGES])
@pytest.mark.parametrize(
    ("added", "others"),
    [
        ([READ, FILE], [READ, FILE]),
        ([READ, FOLDER], [READ, FOLDER]),
        ([FAILED], [FAILED]),
        ([READ, "any text"], [READ, "any text"]),
        ([RESOURCE, "any text"], [RESOURCE, "any text"]),
        ([AGENT], [AGENT]),
        (
            ["[Image: original 3000x2500, displayed at 2000x1667.]"],
            ["[Image: original 3000x2500, displayed at 2000x1667.]"],
        ),
        ([EDITOR], [EDITOR]),
        (["<system-reminder>x</system-reminder>"], None),
    ],
)
def test_the_prompt_is_what_its_user_said_not_what_a_tool_added(
    format: Format, added: list[str], others: list[str] | None
) -> None:
    texts = [{"type": "text", "text": words} for words in ("drop the table", *added)]
    ask = format.ask(json.dumps({"model": "m", "messages": [{"role": "user", "content": texts}]}).encode())
    assert ask.prompt == Prompt("drop the table", {"other_parts": others} if others else {})


def test_of_two_parts_the_last_is_the_prompt_and_the_other_stands_beside_it() -> None:
    texts = [{"type": "text", "text": words} for words in ("look at this", "and mend it")]
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [{"role": "user", "content": texts}]}).encode())
    assert ask.prompt == Prompt("and mend it", {"other_parts": ["look at this"]})


def test_the_files_may_stand_before_the_prompt() -> None:
    """As `opencode run -f` puts them; of an image, nothing but its heading is text."""
    before = [READ, FILE, READ]
    texts = [{"type": "text", "text": words} for words in (*before, "drop the table")]
    ask = CHAT_COMPLETIONS.ask(json.dumps({"model": "m", "messages": [{"role": "user", "content": texts}]}).encode())
    assert ask.prompt == Prompt("drop the table", {"other_parts": before})


def test_that_claude_code_has_loaded_a_tool_is_nobody_s_prompt() -> None:
    """What it writes behind the result of its search for tools; what its user typed meanwhile stands before that."""
    found = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "Fetch"}]}
    loaded = {"type": "text", "text": "Tool loaded."}
    for typed, prompt in (
        ([], None),
        ([{"type": "text", "text": "not there"}], Prompt("not there", {"other_parts": ["Tool loaded."]})),
    ):
        said = [ANSWERED, {"role": "user", "content": [found, *typed, loaded]}]
        ask = MESSAGES.ask(json.dumps({"model": "m", "messages": said}).encode())
        assert (ask.prompt, ask.tool_call_id) == (prompt, "t")


LAUNCHED = {"type": "tool_result", "tool_use_id": "t", "content": "Launching skill: fix"}
SKILL = "Base directory for this skill: /work/.claude/skills/fix\n\nFix issue 7."


@pytest.mark.parametrize("skill", [SKILL, "Fix issue 7."])
def test_a_skill_that_the_model_launched_is_nobody_s_prompt(skill: str) -> None:
    said = {"type": "text", "text": skill}
    ask = MESSAGES.ask(
        json.dumps({"model": "m", "messages": [ANSWERED, {"role": "user", "content": [LAUNCHED, said]}]}).encode()
    )
    assert (ask.prompt, ask.tool_call_id) == (None, "t")
    interrupted = [LAUNCHED, said, {"type": "text", "text": "no, issue 8"}]
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [{"role": "user", "content": interrupted}]}).encode())
    assert ask.prompt == Prompt("no, issue 8", {"other_parts": [skill]})


def test_the_prompt_is_the_command_that_its_user_typed_not_its_skill() -> None:
    typed = "<command-message>fix</command-message>\n<command-name>/fix</command-name>\n<command-args>7</command-args>"
    texts = [{"type": "text", "text": words} for words in (typed, SKILL)]
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [{"role": "user", "content": texts}]}).encode())
    assert ask.prompt == Prompt(typed, {"other_parts": [SKILL]})


def test_what_a_command_prints_that_its_user_ran_in_claude_code_is_no_prompt() -> None:
    for printed in (
        "<bash-stdout>12 keys</bash-stdout><bash-stderr></bash-stderr>",
        "<local-command-stdout>x</local-command-stdout>",
    ):
        texts = [{"type": "text", "text": words} for words in ("<bash-input>cat keys</bash-input>\n", printed)]
        ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [{"role": "user", "content": texts}]}).encode())
        assert ask.prompt == Prompt("<bash-input>cat keys</bash-input>\n", {"other_parts": [printed]})


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, MESSAGES])
def test_what_a_background_task_tells_is_nobody_s_prompt(format: Format) -> None:
    told = "<task-notification>\n<task-id>b1</task-id>\n</task-notification>"
    texts = [{"type": "text", "text": words} for words in ("drop the table", told)]
    ask = format.ask(json.dumps({"model": "m", "messages": [{"role": "user", "content": texts}]}).encode())
    assert ask.prompt == Prompt("drop the table", {"other_parts": [told]})


def test_nor_is_what_a_sub_agent_of_codex_tells() -> None:
    told = "<subagent_notification>\n{}\n</subagent_notification>"
    items = [
        {"type": "function_call_output", "call_id": "c", "output": "done"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": told}]},
    ]
    ask = RESPONSES.ask(json.dumps({"model": "m", "input": items}).encode())
    assert (ask.prompt, ask.tool_call_id) == (None, "c")


def test_an_editor_s_state_beside_a_result_is_no_prompt() -> None:
    beside = {"role": "user", "content": [RESULT, {"type": "text", "text": EDITOR}]}
    ask = MESSAGES.ask(json.dumps({"model": "m", "messages": [ANSWERED, beside]}).encode())
    assert (ask.prompt, ask.tool_call_id) == (None, "t")
    behind = [{"role": "tool", "tool_call_id": "t", "content": "done"}, {"role": "user", "content": EDITOR}]
    ask = CHAT_COMPLETIONS.ask(json.dumps({"model": "m", "messages": behind}).encode())
    assert (ask.prompt, ask.tool_call_id) == (None, "t")


def test_a_message_that_is_all_a_tool_s_is_passed_over_if_there_is_another() -> None:
    skill = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<skill>\nfoo\n</skill>"}]}
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "use $foo and drop it"}]}
    for items, prompt, others in (
        ([said, skill], "use $foo and drop it", {"other_parts": ["<skill>\nfoo\n</skill>"]}),
        ([skill], "<skill>\nfoo\n</skill>", {}),
    ):
        ask = RESPONSES.ask(json.dumps({"model": "m", "input": items}).encode())
        assert ask.prompt == Prompt(prompt, others)


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, RESPONSES, MESSAGES], ids=lambda format: format.path)
@pytest.mark.parametrize("before", ["<environment_context>x</environment_context>", "drop the table"])
def test_what_its_user_typed_as_a_tool_would_is_on_record(format: Format, before: str) -> None:
    typed = "Base directory for this skill: drop the keys"
    said = [{"role": "user", "content": words} for words in (before, typed)]
    ask = format.ask(json.dumps({"model": "m", "input" if format is RESPONSES else "messages": said}).encode())
    text, other = (before, typed) if before == "drop the table" else (typed, before)
    assert ask.prompt == Prompt(text, {"other_parts": [other]})


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, RESPONSES, MESSAGES], ids=lambda format: format.path)
def test_of_several_messages_behind_an_answer_the_earlier_stand_beside_the_prompt(format: Format) -> None:
    """OpenCode 1.18.33 sends so what was typed while it worked: in no other request are they the last."""
    answer = {"role": "assistant", "content": "done"}
    said = [{"role": "user", "content": words} for words in ("before", "drop it", "<skill>x</skill>", "and the keys")]
    said[1:1] = [answer]
    said.insert(3, {"role": "developer", "content": "now"})
    ask = format.ask(json.dumps({"model": "m", "input" if format is RESPONSES else "messages": said}).encode())
    assert ask.prompt == Prompt("and the keys", {"other_parts": ["drop it", "<skill>x</skill>"]})


@pytest.mark.parametrize(
    ("format", "part", "noted"),
    [
        (MESSAGES, {"type": "container_upload", "file_id": "file_1"}, {"kind": "file"}),
        (  # vLLM's and OpenRouter's
            CHAT_COMPLETIONS,
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
            {"kind": "video", "media_type": "video/mp4", "size": 3},
        ),
        (CHAT_COMPLETIONS, {"type": "audio_url", "audio_url": {"url": "https://host/a.ogg"}}, {"kind": "audio"}),
    ],
)
def test_what_is_all_of_a_prompt_is_noted(format: Format, part: dict, noted: dict) -> None:
    ask = format.ask(json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode())
    assert ask.prompt == Prompt("", {"attachments": [noted]})


def test_an_answer_to_what_a_response_asked_is_one_behind_an_item_of_a_developer_s() -> None:
    approved = {"type": "mcp_approval_response", "approval_request_id": "a", "approve": True}
    for behind in ([approved], [approved, {"role": "developer", "content": "now"}]):
        assert RESPONSES.ask(json.dumps({"model": "m", "input": behind}).encode()).tool_call_id == "a"
