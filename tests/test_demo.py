"""The demo as a user runs it, and its simulated provider as the official SDKs see it."""

import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from coderai.demo.exchanges import EXCHANGES, PROMPT
from coderai.demo.provider import CALLING, TALKING, THOUGHT, TOOL, simulated_provider
from coderai.demo.report import table
from coderai.demo.upstreams import SIMULATED_KEY, upstreams

WAIT = 60  # seconds after which a test gives up; nothing here takes as long
SERVING = "Serving until Ctrl-C"


class Demo:
    """A running `coderai demo`, read line by line."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CODER_", "OPENAI_", "ANTHROPIC_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coderai", "demo", *arguments],
            env={**kept, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._alarm = threading.Timer(WAIT, self.process.kill)
        self._alarm.start()

    def read_until(self, text: str) -> str:
        assert self.process.stdout
        said = ""
        for line in self.process.stdout:
            said += line
            if text in line:
                return said
        raise AssertionError(f"{text!r} never came:\n{said}")

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(WAIT)

    def close(self) -> None:
        self._alarm.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def demo_of() -> Iterator[type[Demo]]:
    running: list[Demo] = []

    def start(*arguments: str, **environment: str) -> Demo:
        running.append(Demo(*arguments, **environment))
        return running[-1]

    yield start
    for demo in running:
        demo.close()


def test_the_demo_shows_what_was_recorded_and_serves_until_it_is_interrupted(demo_of, tmp_path: Path) -> None:
    demo = demo_of("--http-address", "127.0.0.1:0", "--dir", str(tmp_path / "kept"))
    said = demo.read_until(SERVING)

    assert [line for line in said.splitlines() if line.startswith("Sent")] == [
        f"Sent one exchange in {exchange.name}: 200" for exchange in EXCHANGES
    ]
    rows = [re.split(r"\s{2,}", line.strip()) for line in said.splitlines()]
    first = rows.index(["STARTED", "USER", "PROVIDER", "MODEL", "STATUS", "RECORD", "VALUE"]) + 1
    shown = rows[first : first + 12]
    assert [row[1:] for row in shown[::4]] == [
        ["demo", "openai", "gpt-5-mini", "200", "prompt", PROMPT],
        ["demo", "openai", "gpt-5-mini", "200", "prompt", PROMPT],
        ["demo", "anthropic", "claude-haiku-4-5", "200", "prompt", PROMPT],
    ]
    for block in range(3):
        thought, call, tokens = shown[block * 4 + 1 : block * 4 + 4]
        assert thought == ["thought", THOUGHT[:71] + "…"]
        assert call[0] == "tool call" and call[1] == f'{TOOL} {{"path": "LICENSE"}}'
        assert re.fullmatch(r"\d+ in, \d+ out, 1024 from cache", tokens[1]) and tokens[0] == "tokens"

    for tool in ("# Claude Code", "# Codex", "# OpenAI SDK", "# Anthropic SDK", "# curl"):
        assert tool in said
    url = re.search(r"export ANTHROPIC_BASE_URL=(\S+)/api/v2/aibridge/anthropic", said)[1]
    token = re.search(r"export ANTHROPIC_AUTH_TOKEN=(\S+)", said)[1]
    with openai.OpenAI(base_url=f"{url}/api/v2/aibridge/openai/v1", api_key=token) as client:
        answer = client.responses.create(model="gpt-5-mini", input="hello", user="live")
    assert answer.output_text == TALKING
    demo.read_until("record_type=interception_end")  # what happens now is shown as it happens

    assert demo.interrupt() == 0
    assert demo.read_until("Stopped.")
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection(url.removeprefix("http://"), timeout=5).connect()
    lines = [json.loads(line) for line in (tmp_path / "kept" / "log.json").read_text().splitlines()]
    assert sum(line["msg"] == "interception log" for line in lines) == 3 * 6 + 5  # the last called no tool

    again = demo_of("--http-address", "127.0.0.1:0", "--dir", str(tmp_path / "kept"))
    again.read_until(SERVING)
    assert again.interrupt() == 0


def test_an_interruption_before_it_serves_ends_it_too(demo_of) -> None:
    demo = demo_of("--http-address", "127.0.0.1:0")
    demo.read_until("anthropic:")
    assert demo.interrupt() == 0


def test_a_server_that_cannot_start_is_explained(demo_of) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        demo = demo_of("--http-address", address)
        said = demo.read_until(address)
        assert demo.process.wait(WAIT) == 1
    assert "Error: the server ended with exit code 1" in said


@pytest.mark.parametrize("address", ["", "3000", "127.0.0.1:99999"])
def test_a_bad_address_is_refused_by_the_option_s_name(demo_of, address: str) -> None:
    demo = demo_of("--http-address", address)
    said = demo.read_until("expected host:port such as 127.0.0.1:3000")
    assert demo.process.wait(WAIT) == 2
    assert said.startswith(f'Error: --http-address "{address}": ')


def test_a_directory_that_cannot_be_made_is_explained(demo_of, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    demo = demo_of("--dir", str(tmp_path / "file" / "x"))
    demo.read_until("Not a directory; give a directory that can be written")
    assert demo.process.wait(WAIT) == 1


def test_a_machine_without_a_temporary_directory_is_explained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "coderai", "demo"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),  # as a container that is read-only
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: there is no temporary directory that can be written: name one with --dir")


async def test_chat_completions_of_the_simulated_provider() -> None:
    ask = {key: value for key, value in EXCHANGES[0].body.items() if key != "stream"}
    async with (
        simulated_provider() as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client,
    ):
        async with client.chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
            streamed = await stream.get_final_completion()
        whole = await client.chat.completions.create(**ask)
        result = {"role": "tool", "tool_call_id": "1", "content": "Apache-2.0"}
        after = await client.chat.completions.create(**{**ask, "messages": [*ask["messages"], result]})
        models = await client.models.list()
    for answer in (streamed, whole):
        message = answer.choices[0].message
        assert (message.content, message.tool_calls[0].function.name) == (CALLING, TOOL)
        assert message.model_extra["reasoning_content"] == THOUGHT
        assert answer.usage.prompt_tokens_details.cached_tokens == 1024
    assert (after.choices[0].message.content, after.choices[0].finish_reason) == (TALKING, "stop")
    assert "gpt-5-mini" in [model.id for model in models.data]


async def test_responses_of_the_simulated_provider() -> None:
    ask = {key: value for key, value in EXCHANGES[1].body.items() if key != "stream"}
    async with (
        simulated_provider() as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client,
    ):
        async with client.responses.stream(**ask) as stream:
            streamed = await stream.get_final_response()
        whole = await client.responses.create(**ask)
        result = {"type": "function_call_output", "call_id": "1", "output": "Apache-2.0"}
        after = await client.responses.create(**{**ask, "input": [result]})
    for answer in (streamed, whole):
        reasoning, said, call = answer.output
        assert reasoning.summary[0].text == THOUGHT
        assert (said.content[0].text, call.name, call.arguments) == (CALLING, TOOL, '{"path": "LICENSE"}')
    assert after.output_text == TALKING


async def test_messages_of_the_simulated_provider() -> None:
    ask = {key: value for key, value in EXCHANGES[2].body.items() if key != "stream"}
    async with simulated_provider() as url, anthropic.AsyncAnthropic(base_url=url, api_key="none") as client:
        async with client.messages.stream(**ask) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(**ask)
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "MIT"}]}
        after = await client.messages.create(**{**ask, "messages": [*ask["messages"], result]})
        counted = await client.messages.count_tokens(model="claude", messages=ask["messages"])
        with pytest.raises(anthropic.BadRequestError):
            await client.post("/v1/messages", body=[], cast_to=object)
    for answer in (streamed, whole):
        thinking, said, call = answer.content
        assert (thinking.thinking, said.text, call.name) == (THOUGHT, CALLING, TOOL)
        assert (call.input, answer.stop_reason) == ({"path": "LICENSE"}, "tool_use")
    assert after.content[1].text == TALKING
    assert counted.input_tokens > 0


SIMULATED = {
    "CODER_AIBRIDGE_OPENAI_KEY": SIMULATED_KEY,
    "CODER_AIBRIDGE_OPENAI_BASE_URL": "http://127.0.0.1:1/v1/",
}


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ({}, SIMULATED),
        ({"OPENAI_API_KEY": ""}, SIMULATED),
        ({"OPENAI_API_KEY": "real"}, {"CODER_AIBRIDGE_OPENAI_KEY": "real"}),
        (
            {"OPENAI_API_KEY": "real", "OPENAI_BASE_URL": "http://other/v1"},
            {"CODER_AIBRIDGE_OPENAI_KEY": "real", "CODER_AIBRIDGE_OPENAI_BASE_URL": "http://other/v1"},
        ),
        (
            {
                "CODER_AIBRIDGE_OPENAI_KEY": "mine",
                "OPENAI_API_KEY": "real",
                "OPENAI_BASE_URL": "http://other",
            },
            {"CODER_AIBRIDGE_OPENAI_KEY": "mine"},
        ),
        (
            {"OPENAI_API_KEY": "token", "OPENAI_BASE_URL": "http://localhost:3000/api/v2/aibridge/openai/v1"},
            SIMULATED,
        ),
    ],
)
def test_a_key_in_the_environment_means_the_real_provider(environment, settings) -> None:
    openai_upstream, anthropic_upstream = upstreams(environment, "http://127.0.0.1:1")
    assert openai_upstream.settings == settings
    assert openai_upstream.simulated == (settings is SIMULATED)
    assert anthropic_upstream.simulated


def test_an_interception_of_which_nothing_was_recorded_is_in_the_table_too() -> None:
    found = {
        "started_at": "2026-04-22T18:26:53.12Z", "initiator": {"username": "demo"}, "provider_name": "openai",
        "model": "m", "status": None, "user_prompts": [], "model_thoughts": [], "tool_usages": [],
        "token_usages": [], "error_type": None, "error_message": None,
    }  # fmt: skip
    failed = {**found, "error_type": "upstream_unreachable", "error_message": "no\x1b[2J\nroute"}
    rows = table([found, failed]).splitlines()
    assert rows[1].split()[:6] == ["18:26:53", "demo", "openai", "m", "None", "nothing"]
    assert rows[2].endswith("error   upstream_unreachable: no [2J route")
