"""`--write-config` is read back as the same settings, and the generated files are fresh."""

import dataclasses
import re

import hypothesis
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coderai.config import OPTIONS, resolve, write_config
from coderai.config.docs import DIRECTORY, options_md
from coderai.config.written import sample

STALE = "stale: run `make goldens`"
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
BY_KIND = {
    "bool": st.sampled_from(["true", "false"]),
    "path": TEXTS,
    "string": TEXTS,
    "url": st.sampled_from(["http://a", "https://[::1]:8/x/", "https://example.com/v1/#".rstrip("#")]),
    "duration": st.builds("{}{}".format, st.integers(0, 9999), st.sampled_from(["ns", "s", "h", "d", "w"])),
    "size": st.builds("{}{}".format, st.integers(1, 9999), st.sampled_from(["", "KB", "MB", "MiB"])),
    "host:port": st.builds("{}:{}".format, st.sampled_from(["", "h", "[::1]"]), st.integers(0, 65535)),
    "tls12|tls13": st.sampled_from(["tls12", "tls13"]),
    "int": st.integers(1, 256).map(str),
    "normal|full": st.sampled_from(["normal", "full"]),
    "list of paths": st.lists(TEXTS.filter(lambda text: not set(text) & set('",\r\n') and text.strip())),
    "list of regex": st.lists(st.sampled_from(["a.*", "x{1}", "[bc] d", "é|#"])),
}
# Some make no sense without another.
NOT_WRITTEN = (
    "config",
    "write_config",
    "log_human",
    "tls_enable",
    "aibridge_bedrock_base_url",
    "aibridge_bedrock_region",
)
FLAGS = st.fixed_dictionaries(
    {},
    optional={
        option.flag: BY_KIND[option.kind.name].map(lambda text: tuple(text) if isinstance(text, list) else text)
        for option in OPTIONS
        if option.yaml and option.name not in NOT_WRITTEN and not option.name.endswith("_key_file")
    },
)


@hypothesis.settings(deadline=None)  # a shared machine's pauses are no failures
@given(FLAGS)
def test_what_is_written_is_read_back(flags):
    flags |= {"aibridge-max-body-memory": "1TB"}
    before = resolve(flags, {})
    text = write_config(before)
    after = resolve({"config": "-"}, {}, stdin=text.encode)
    assert dataclasses.replace(after.settings, config="") == before.settings
    assert write_config(after) == text


def test_indexed_providers_and_durations_as_written_but_no_secrets(tmp_path):
    key_file = tmp_path / "key"
    key_file.write_text("sk-three")
    environ = {
        "CODER_AIBRIDGE_OPENAI_KEY": "sk-one",
        "CODER_AIBRIDGE_RETENTION": "1w2d",
        "CODER_AIBRIDGE_PROVIDER_0_TYPE": "openai",
        "CODER_AIBRIDGE_PROVIDER_0_NAME": "z",
        "CODER_AIBRIDGE_PROVIDER_0_BASE_URL": "https://z.ai/",
        "CODER_AIBRIDGE_PROVIDER_0_KEY": "sk-two",
        "CODER_AIBRIDGE_PROVIDER_0_STREAM_OPTIONS": "0",
        "CODER_AIBRIDGE_PROVIDER_1_TYPE": "anthropic",
        "CODER_AIBRIDGE_PROVIDER_1_KEY_FILE": str(key_file),
    }
    before = resolve({}, environ)
    text = write_config(before)
    assert "  retention: 1w2d\n" in text
    assert "sk-" not in text
    after = resolve({"config": "-"}, {}, stdin=text.encode)
    zai, anthropic = after.indexed
    assert dataclasses.replace(zai, keys=("sk-two",)) == before.indexed[0]
    assert anthropic == before.indexed[1]


def test_the_golden_of_write_config(golden):
    resolved = resolve({"sqlite-path": "/data/coderai.db", "log-filter": ("a,b", "c"), "tls-address": ":443"}, {})
    golden("write-config.yaml", write_config(resolved))


def test_the_sample_is_fresh_and_changes_nothing():
    text = (DIRECTORY / "coderai.yaml").read_text()
    assert text == sample(), STALE
    assert resolve({"config": str(DIRECTORY / "coderai.yaml")}, {}).settings == dataclasses.replace(
        resolve({}, {}).settings, config=str(DIRECTORY / "coderai.yaml")
    )


def test_options_md_is_fresh_and_names_every_option():
    text = (DIRECTORY / "OPTIONS.md").read_text()
    assert text == options_md(), STALE
    for option in OPTIONS:
        assert f"`--{option.flag}`" in text


def test_comments_are_comments():
    assert yaml.safe_load(re.sub(r"(?m)^ *#.*\n", "", sample())) == yaml.safe_load(sample())


@pytest.mark.parametrize("text", ["a\nb", "\t", "é", "'", '"', "null", "...", "- a", "#", " x ", "\x7f\x85"])
def test_odd_paths_survive(text):
    written = write_config(resolve({"log-json": text}, {}))
    assert resolve({"config": "-"}, {}, stdin=written.encode).settings.log_json == text
