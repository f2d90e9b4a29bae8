"""Files that can be read only once, and files that nobody writes: no reload waits for them."""

import os
import threading

import click
import pytest

from coderai.cli.server import server
from coderai.config import SettingsError, reload, resolve

KEY = "CODER_AIBRIDGE_OPENAI_KEY_FILE"
OTHER = "CODER_AIBRIDGE_ANTHROPIC_KEY_FILE"


def pipe(text: bytes) -> str:
    """What a shell makes of `<(…)`."""
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    return f"/dev/fd/{reading}"


@pytest.fixture
def closing():
    paths = []
    yield paths.append
    for path in paths:
        os.close(int(path.rpartition("/")[2]))


def test_a_pipe_is_read_once_and_what_it_held_goes_on_to_hold(closing):
    path = pipe(b"sk-one\n")
    closing(path)
    resolved = resolve({}, {KEY: path})
    assert (resolved.settings.aibridge_openai_key, resolved.warnings) == ("sk-one", [])
    for _ in range(2):
        resolved = reload(resolved).resolved
        assert resolved.settings.aibridge_openai_key == "sk-one"
        (warning,) = resolved.warnings
        assert warning.startswith(f'{KEY}: "{path}" can be read only once') and "restart" in warning


def test_two_options_may_name_the_same_pipe(closing):
    path = pipe(b"sk-one\n")
    closing(path)
    settings = resolve({}, {KEY: path, OTHER: path}).settings
    assert settings.aibridge_openai_key == settings.aibridge_anthropic_key == "sk-one"


def test_the_files_of_indexed_providers_too(closing):
    path = pipe(b"sk-one,sk-two")
    closing(path)
    name = "CODER_AIBRIDGE_PROVIDER_0_"
    environ = {f"{name}TYPE": "openai", f"{name}NAME": "pool", f"{name}KEYS_FILE": path}
    resolved = reload(resolve({}, environ)).resolved
    assert resolved.indexed[0].keys == ("sk-one", "sk-two")
    assert resolved.warnings[0].startswith(f"{name}KEYS_FILE")


def test_nothing_of_them_is_shown(closing):
    path = pipe(b"sk-one")
    closing(path)
    assert "sk-one" not in repr(resolve({}, {KEY: path}).read_once.keys())
    assert "read_once" not in repr(resolve({}, {}))


def test_what_is_a_pipe_only_by_now_is_refused_at_once(tmp_path):
    key, config = tmp_path / "key", tmp_path / "c.yaml"
    key.write_text("sk-one")
    config.write_text("")
    resolved = resolve({"config": str(config)}, {KEY: str(key)})
    for file in (key, config):
        file.unlink()
        os.mkfifo(file)
    with pytest.raises(SettingsError) as caught:
        reload(resolved)
    expected = "no regular file, and a reload waits for no other"
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["--config", KEY]
    assert all(expected in problem for problem in caught.value.problems)


def test_at_the_start_a_pipe_is_waited_for(tmp_path):
    key = tmp_path / "key"
    os.mkfifo(key)
    writer = threading.Thread(target=key.write_text, args=("sk-late",))
    writer.start()
    assert resolve({}, {KEY: str(key)}).settings.aibridge_openai_key == "sk-late"
    writer.join()


def test_standard_input_is_told_of():
    resolved = resolve({"config": "-"}, {}, stdin=lambda: b"")
    (warning,) = reload(resolved).resolved.warnings
    assert warning.startswith("--config: standard input can be read only once")


def test_a_name_that_no_file_has():
    text = b'aibridge: {providers: [{type: openai, key_file: "a\\0b"}]}'
    with pytest.raises(SettingsError, match="NUL"):
        resolve({"config": "-"}, {}, stdin=lambda: text)


def test_a_file_that_may_not_be_read_is_told_of_by_its_reader() -> None:
    """Click, which looks first, knows no remedy. (Root, as whom tests may run, reads everything.)"""
    paths = [option for option in server.params if isinstance(option.type, click.Path)]
    assert len(paths) > 8
    assert not [option.name for option in paths if option.type.readable or option.type.writable or option.type.exists]
