"""Precedence, the empty variable, other names, secret files, reload."""

import os
import re
import subprocess
import sys

import pytest

from coderai.config import SettingsError, reload, resolve


@pytest.fixture
def yaml(tmp_path):
    def write(text, name="coderai.yaml"):
        file = tmp_path / name
        file.write_text(text)
        return str(file)

    return write


def test_flag_then_variable_then_yaml_then_default(yaml):
    file = yaml("aibridge:\n  retention: 3d\n")
    flags, environ = {"config": file, "aibridge-retention": "1d"}, {"CODER_AIBRIDGE_RETENTION": "2d"}
    assert resolve(flags, environ).settings.aibridge_retention.text == "1d"
    assert resolve({"config": file}, environ).settings.aibridge_retention.text == "2d"
    assert resolve({}, {"CODER_CONFIG_PATH": file}).settings.aibridge_retention.text == "3d"
    assert resolve({}, {}).settings.aibridge_retention.text == "60d"


def test_an_empty_variable_sets_texts_and_paths_only():
    resolved = resolve(
        {"log-json": "/x"},
        dict.fromkeys(
            (
                "CODER_LOGGING_HUMAN",
                "CODER_AIBRIDGE_RETENTION",
                "CODER_AIBRIDGE_ENABLED",
                "CODER_HTTP_ADDRESS",
            ),
            "",
        ),
    )
    assert resolved.settings.log_human == ""
    assert resolved.origins["log_human"].kind == "environment"
    for name in ("aibridge_retention", "aibridge_enabled", "http_address"):
        assert resolved.origins[name].kind == "default"


def test_an_empty_flag_turns_the_human_log_off():
    assert resolve({"log-human": "", "log-json": "/x"}, {}).settings.log_human == ""
    with pytest.raises(SettingsError, match="--log-human: no log is left; give a path to it, --log-json or"):
        resolve({"log-human": ""}, {})


def test_a_list_in_yaml_may_be_a_line_of_commas(yaml):
    """As in a variable, and as Coder reads one."""
    file = yaml("networking: {tls: {certFiles: /a.pem, keyFiles: '/b.pem, \"/c,d.pem\"'}}\n")
    settings = resolve({"config": file}, {}).settings
    assert (settings.tls_cert_file, settings.tls_key_file) == (("/a.pem",), ("/b.pem", "/c,d.pem"))


def test_a_tilde_is_the_home_folder(yaml, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    file = yaml("sqlitePath: ~/c.db\nnetworking: {tls: {certFiles: [~/a.pem], keyFiles: [/b.pem]}}\n")
    settings = resolve({"config": file, "spool-dir": "~"}, {"CODER_LOGGING_JSON": "x~/y"}).settings
    assert (settings.sqlite_path, settings.spool_dir, settings.log_json) == ("/home/ada/c.db", "/home/ada", "x~/y")
    assert settings.tls_cert_file == ("/home/ada/a.pem",)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user that the machine does not know")
@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ("{}", "--sqlite-path: there is no home folder for it; give a path, or set HOME"),
        ("{'CODER_SQLITE_PATH': ''}", "CODER_SQLITE_PATH: there is no home folder for it; give a path"),
        ("{'CODER_SQLITE_PATH': '/c.db'}", ""),
        ("{'CODER_PG_CONNECTION_URL': 'postgres://u@h/d'}", ""),
    ],
)
def test_a_user_without_a_home_folder_has_to_name_the_database(variables, told):
    program = f"""
import os
from coderai.config import SettingsError, resolve
os.setuid(64321)
try:
    resolve({{}}, {variables})
except SettingsError as error:
    print(error)
"""
    known = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_DATA_HOME")}
    run = subprocess.run([sys.executable, "-c", program], env=known, capture_output=True, text=True)
    assert run.stderr == "" and run.stdout.startswith(told) and bool(run.stdout) == bool(told)


@pytest.mark.parametrize("name", [":memory:", "file:c.db?mode=memory"])
def test_a_database_is_a_file(name):
    with pytest.raises(SettingsError, match=f'--sqlite-path: "{re.escape(name)}": .* is a file, which outlives'):
        resolve({"sqlite-path": name}, {})


def test_the_same_under_two_names_is_fine_and_different_is_not(yaml):
    both = {"aibridge-retention": "60d", "ai-gateway-retention": "1440h"}
    assert resolve(both, {}).settings.aibridge_retention.text == "60d"
    with pytest.raises(SettingsError, match=r"--aibridge-retention and --ai-gateway-retention .* differ"):
        resolve({**both, "ai-gateway-retention": "1d"}, {})
    environ = {"CODER_AIBRIDGE_ENABLED": "true", "CODER_AI_GATEWAY_ENABLED": "false"}
    with pytest.raises(SettingsError, match="CODER_AIBRIDGE_ENABLED and CODER_AI_GATEWAY_ENABLED"):
        resolve({}, environ)
    file = yaml("aibridge:\n  retention: 1d\nai_gateway:\n  retention: 2d\n")
    with pytest.raises(SettingsError, match=r":2: aibridge.retention and .*:4: ai_gateway.retention"):
        resolve({"config": file}, {})


def test_camel_case_and_the_older_path_of_verbose(yaml):
    settings = resolve({"config": yaml("aibridge:\n  structuredLogging: true\nverbose: true\n")}, {}).settings
    assert settings.aibridge_structured_logging and settings.verbose


@pytest.mark.parametrize(
    "text", ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False", "''"]
)
def test_a_boolean_in_yaml_is_spelt_as_in_a_variable(yaml, text):
    given = resolve({"config": yaml(f"aibridge: {{enabled: {text}}}\n")}, {})
    assert given.origins["aibridge_enabled"].kind == "yaml"
    meant = resolve({}, {"CODER_AIBRIDGE_ENABLED": text.strip("'")}).settings.aibridge_enabled
    assert given.settings.aibridge_enabled == meant == (text[0] in "1tT")


def test_null_counts_as_absent(yaml):
    file = yaml("aibridge:\nnetworking:\n  http: ~\nintrospection: {logging: {humanPath: }}\n")
    resolved = resolve({"config": file}, {})
    assert {origin.kind for name, origin in resolved.origins.items() if name != "config"} == {"default"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}\n", "null\n"])
def test_an_empty_file_sets_nothing(yaml, text):
    assert resolve({"config": yaml(text)}, {}).settings.aibridge_retention.text == "60d"


def test_standard_input_is_read_once_and_kept_for_reloads():
    readings = iter([b"aibridge: {retention: 5d}"])
    resolved = resolve({"config": "-"}, {}, stdin=lambda: next(readings))
    assert resolved.settings.aibridge_retention.text == "5d"
    assert resolved.origins["aibridge_retention"].source == "standard input:1"
    assert resolved.again().settings == resolved.settings


def test_a_pipe_is_read_once_and_kept_for_reloads():
    reading, writing = os.pipe()
    os.write(writing, b"aibridge: {retention: 0}")
    os.close(writing)
    resolved = resolve({"config": f"/dev/fd/{reading}"}, {})  # what a shell makes of --config <(…)
    assert resolved.settings.aibridge_retention.text == "0"
    assert resolved.again().settings == resolved.again().again().settings == resolved.settings
    os.close(reading)


def test_secret_files_are_trimmed_and_read_again(tmp_path):
    file = tmp_path / "openai"
    file.write_text("  sk-one\n")
    resolved = resolve({}, {"CODER_AIBRIDGE_OPENAI_KEY_FILE": str(file), "CODER_AIBRIDGE_OPENAI_KEY": ""})
    assert resolved.settings.aibridge_openai_key == "sk-one"
    assert resolved.settings.providers[0].keys == ("sk-one",)
    assert resolved.origins["aibridge_openai_key"].source == "CODER_AIBRIDGE_OPENAI_KEY_FILE"
    file.write_text("sk-two\n")
    again, applied, waiting = reload(resolved)
    assert again.settings.providers[0].keys == ("sk-two",)
    assert (applied, waiting) == (["aibridge-openai-key", "aibridge-providers"], [])


def test_a_reload_leaves_what_takes_a_restart(yaml):
    file = yaml("aibridge: {retention: 1d}\n")
    before = resolve({"config": file}, {})
    yaml("aibridge: {retention: 2d}\nnetworking: {http: {httpAddress: ':1'}}\n")
    after, applied, waiting = reload(before)
    assert (applied, waiting) == (["aibridge-retention"], ["http-address"])
    assert str(after.settings.aibridge_retention) == "2d"
    assert after.settings.http_address == before.settings.http_address


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff\xfe", b"x" * 70000])
def test_a_bad_secret_file_is_told_without_its_content(tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        resolve({}, {"CODER_AIBRIDGE_OPENAI_KEY_FILE": str(file)})
    (problem,) = caught.value.problems
    assert problem.startswith(f'CODER_AIBRIDGE_OPENAI_KEY_FILE: "{file}"')
    assert "words" not in problem


def test_a_secret_and_its_file_exclude_each_other(tmp_path):
    environ = {"CODER_AIBRIDGE_OPENAI_KEY_FILE": str(tmp_path / "none")}
    with pytest.raises(SettingsError, match="No such file"):
        resolve({}, environ)
    with pytest.raises(
        SettingsError, match="--aibridge-openai-key and CODER_AIBRIDGE_OPENAI_KEY_FILE both give the key"
    ):
        resolve({"aibridge-openai-key": "x"}, environ)


def test_a_secret_flag_is_warned_of():
    (warning,) = resolve({"aibridge-anthropic-key": "sk-hush"}, {}).warnings
    assert "--aibridge-anthropic-key" in warning and "CODER_AIBRIDGE_ANTHROPIC_KEY_FILE" in warning
    assert "sk-hush" not in warning


def test_only_what_a_command_needs_is_looked_at(yaml):
    file = yaml("sqlitePath: /x.db\naibridge: {retention: soon, nonsense: 1}\nfoo: 1\n")
    environ = {
        "CODER_HTTP_ADDRESS": "nowhere",
        "CODER_AIBRIDGE_PROVIDER_1_TYPE": "x",
        "CODER_AIBRIDGE_FOO": "1",
    }
    resolved = resolve({"config": file}, environ, only=("sqlite_path",))
    assert resolved.settings.sqlite_path == "/x.db"
    assert resolved.warnings == []
    with pytest.raises(SettingsError, match="sqlitePath"):
        resolve({"config": yaml("sqlitePath: [1]")}, {}, only=("sqlite_path",))


def test_a_real_coder_servers_file_loads_with_one_warning():
    resolved = resolve({"config": "tests/config/coder-server.yaml"}, {})
    settings = resolved.settings
    assert settings.aibridge_enabled and settings.aibridge_structured_logging
    assert settings.aibridge_retention.seconds == 60 * 86400
    assert str(settings.http_address) == "127.0.0.1:3000"
    assert settings.log_human == "/dev/stderr" and settings.tls_cert_file == ()
    (warning,) = resolved.warnings
    assert "aibridge.inject_coder_mcp_tools (tests/config/coder-server.yaml:" in warning
    assert "telemetry" in warning and "networking.derp" in warning


def test_metrics_and_tracing_are_one_warning_as_flag_variable_and_key(yaml):
    file = yaml("introspection: {tracing: {enable: true}}\n")
    environ = {
        "CODER_PROMETHEUS_ENABLE": "1",
        "CODER_AIBRIDGE_PROXY_ENABLED": "5",
        "CODER_TRACE_ENABLE": "",
    }
    (warning,) = resolve({"config": file, "trace": "true"}, environ).warnings
    for name in (
        "introspection.tracing",
        "CODER_PROMETHEUS_ENABLE",
        "CODER_AIBRIDGE_PROXY_ENABLED",
        "--trace",
    ):
        assert name in warning
    assert "CODER_TRACE_ENABLE" not in warning


def test_unknown_variables_are_warned_of_with_the_nearest_name():
    resolved = resolve({}, {"CODER_AIBRIDGE_RETENTON": "5d", "CODER_AI_GATEWAY_OPENAI_KYE": "s", "CODER_FOO": "1"})
    assert resolved.warnings == [
        "CODER_AIBRIDGE_RETENTON: unknown variable, ignored; did you mean CODER_AIBRIDGE_RETENTION?",
        "CODER_AI_GATEWAY_OPENAI_KYE: unknown variable, ignored; did you mean CODER_AI_GATEWAY_OPENAI_KEY?",
    ]


def test_of_the_rest_of_coder_only_what_is_all_but_an_options_name_is_warned_of():
    others = {"CODER_AGENT_TOKEN": "x", "CODER_TLS_CLIENT_CERT_FILE": "x", "CODER_HTTP_ADDRESSES_OF_OTHERS": "x"}
    resolved = resolve({}, {**others, "CODER_SQLITE_PTH": "/data/c.db", "CODER_HTTP_ADRESS": ":80"})
    assert resolved.warnings == [
        "CODER_HTTP_ADRESS: unknown variable, ignored; did you mean CODER_HTTP_ADDRESS?",
        "CODER_SQLITE_PTH: unknown variable, ignored; did you mean CODER_SQLITE_PATH?",
    ]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("CODER_POSTGRES_URL", "CODER_PG_CONNECTION_URL"),
        ("CODER_LOG_JSON", "CODER_LOGGING_JSON"),
        ("CODER_CONFIG", "CODER_CONFIG_PATH"),
        ("CODERAI_POSTGRES_URL", "CODER_PG_CONNECTION_URL"),
        ("CODERAI_PG_CONNECTION_URL", "CODER_PG_CONNECTION_URL"),
        ("CODERAI_AIBRIDGE_ENABLED", "CODER_AIBRIDGE_ENABLED"),
        ("CODERAI_AIBRIDGE_PROVIDER_3_KEY", "CODER_AIBRIDGE_PROVIDER_3_KEY"),
    ],
)
def test_variables_named_after_a_flag_or_the_program_are_warned_of(variable: str, meant: str) -> None:
    resolved = resolve({}, {variable: "x", "CODERAI_TOKEN": "a tool's", "CODER_WRITE_CONFIG": "x"})
    assert resolved.warnings == [f"{variable}: unknown variable, ignored; did you mean {meant}?"]
