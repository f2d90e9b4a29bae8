"""`coderai config show`, and the options of the table on a command line."""

import click
import orjson
import pytest
from click.testing import CliRunner

from coderai.cli.config import config
from coderai.cli.options import SettingsCommand, settings_options
from coderai.cli.server import server
from coderai.config import OPTIONS


@pytest.fixture
def run(monkeypatch):
    for option in OPTIONS:
        for variable in option.variables:
            monkeypatch.delenv(variable, raising=False)

    def invoke(*arguments, command=config, environ=None, stdin=None):
        return CliRunner().invoke(command, arguments, env=environ, input=stdin, prog_name="coderai")

    return invoke


def test_json_says_value_origin_and_source(run, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("aibridge:\n  structured_logging: true\n")
    result = run(
        "show", "--json", "--aibridge-retention", "90d", "-c", str(file),
        environ={"CODER_AIBRIDGE_OPENAI_KEY": "sk-hush", "CODER_HTTP_ADDRESS": ":80"},
    )  # fmt: skip
    shown = orjson.loads(result.stdout)
    assert list(shown) == [option.flag for option in OPTIONS]
    assert shown["aibridge-retention"] == {"value": "90d", "origin": "flag", "source": "--aibridge-retention"}
    assert shown["http-address"] == {"value": ":80", "origin": "environment", "source": "CODER_HTTP_ADDRESS"}
    assert shown["aibridge-structured-logging"] == {"value": True, "origin": "yaml", "source": f"{file}:2"}
    assert shown["tls-cert-file"] == {"value": [], "origin": "default", "source": ""}
    assert shown["aibridge-openai-key"]["value"] == "********"
    assert "sk-hush" not in result.output


def test_indexed_providers_are_shown_masked(run):
    environ = {"CODER_AIBRIDGE_PROVIDER_0_TYPE": "openai", "CODER_AIBRIDGE_PROVIDER_0_NAME": "z",
               "CODER_AIBRIDGE_PROVIDER_0_KEY": "sk-hush"}  # fmt: skip
    shown = orjson.loads(run("show", "--json", environ=environ).stdout)["aibridge-providers"]
    assert shown["origin"] == "environment"
    assert (shown["value"][0]["name"], shown["value"][0]["keys"]) == ("z", ["********"])


def test_a_provider_on_bedrock_is_shown_whole(run):
    fields = {"TYPE": "anthropic", "NAME": "aws", "MODELS": "global.*", "BEDROCK_REGION": "eu-west-3",
              "BEDROCK_MODEL": "global.x", "BEDROCK_ACCESS_KEY": "AKIAHUSH",
              "BEDROCK_ACCESS_KEY_SECRET": "sk-hush"}  # fmt: skip
    environ = {f"CODER_AIBRIDGE_PROVIDER_0_{name}": value for name, value in fields.items()}
    result = run("show", "--json", environ=environ)
    (shown,) = orjson.loads(result.stdout)["aibridge-providers"]["value"]
    assert (shown["bedrock_region"], shown["bedrock_model"], shown["models"]) == ("eu-west-3", "global.x", ["global.*"])
    assert shown["bedrock_base_url"] == "https://bedrock-runtime.eu-west-3.amazonaws.com"
    assert shown["keys"] == ["********"]
    assert "hush" not in result.output.lower()


def test_a_model_that_a_variable_sets_to_nothing_is_shown_as_the_one_that_is_asked_for(run):
    environ = {"CODER_AIBRIDGE_BEDROCK_MODEL": "", "CODER_AIBRIDGE_BEDROCK_SMALL_FAST_MODEL": ""}
    shown = orjson.loads(run("show", "--json", environ=environ).stdout)
    for name, model in (("model", "claude-sonnet-4-5-20250929"), ("small-fast-model", "claude-haiku-4-5-20251001")):
        value = {"value": f"global.anthropic.{model}-v1:0", "origin": "default", "source": ""}
        assert shown[f"aibridge-bedrock-{name}"] == value


def test_text_with_origins(run):
    lines = run("show", "--origin", "--log-human=", "--log-json=/x", "-l", "a,b", "-l", "c").stdout.splitlines()
    assert 'log-human                                   ""  (flag: --log-human)' in lines
    assert 'log-filter                                  ["a","b","c"]  (flag: --log-filter)' in lines
    assert "aibridge-retention                          60d  (default)" in lines


def test_a_folder_that_follows_from_another_path_is_shown(run):
    shown = orjson.loads(run("show", "--json", "--sqlite-path", "/data/c.db").stdout)["spool-dir"]
    assert shown == {"value": "/data", "origin": "default", "source": ""}
    given = run("show", "--json", "--sqlite-path", "/data/c.db", "--spool-dir", "/spool").stdout
    assert orjson.loads(given)["spool-dir"]["value"] == "/spool"


def test_every_problem_is_a_line_and_the_exit_code_is_2(run):
    result = run("show", "--aibridge-retention", "5x", "--aibridge-proxy-upstream=5", "--aibridge-enabled=maybe")
    assert result.exit_code == 2
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == [
        "--aibridge-enabled",
        "--aibridge-retention",
        "--aibridge-proxy-upstream",
    ]
    assert result.stdout == ""


def test_an_unknown_flag_is_a_usage_error(run):
    result = run("show", "--aibridge-retentoin", "5d")
    assert result.exit_code == 2 and "No such option" in result.stderr and "--aibridge-retention" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], False),
        (["--verbose"], True),
        (["-v"], True),
        (["--verbose=true"], True),
        (["--verbose=false"], False),
        (["--verbose="], False),
        (["--verbose", "--aibridge-enabled"], True),
    ],
)
def test_booleans_as_in_coder(run, arguments, expected):
    assert orjson.loads(run("show", "--json", *arguments).stdout)["verbose"]["value"] is expected


def test_warnings_go_to_stderr(run):
    result = run("show", "--aibridge-openai-key", "sk-hush", "--trace", "--prometheus-address", ":1")
    assert result.exit_code == 0
    assert [line.partition(" ")[0] for line in result.stderr.splitlines()] == ["Warning:", "Warning:"]


def test_write_config_warns_too(run):
    environ = {"CODER_AIBRIDGE_PROVIDER_0_TYPE": "openai", "CODER_AIBRIDGE_PROVIDER_0_BASE_ULR": "https://h/"}
    result = run("--write-config", command=server, environ=environ)
    assert result.stdout.startswith("aibridge:\n")
    assert result.stderr == (
        "Warning: CODER_AIBRIDGE_PROVIDER_0_BASE_ULR: ignoring unknown aibridge provider field (check for typos); "
        "did you mean BASE_URL?\n"
    )


def test_nobody_is_sent_to_an_option_that_is_refused(run):
    result = run("show", "--aibridge-proxy-enable", "x", "--aibridge-proxy-dump-dirs", "5")
    assert result.exit_code == 2
    assert "'--aibridge-proxy-enabled'" not in result.stderr and "'--aibridge-proxy-dump-dir'" not in result.stderr


def test_standard_input(run):
    result = run("show", "--json", "--config", "-", stdin="aibridge: {retention: 4d}")
    assert orjson.loads(result.stdout)["aibridge-retention"]["source"] == "standard input:1"


def test_a_command_can_take_a_few(run):
    @click.command(cls=SettingsCommand)
    @click.argument("name")
    @settings_options("sqlite_path", "config")
    def few(name, resolved):
        click.echo(f"{name} {resolved.settings.sqlite_path}")

    environ = {"CODER_AIBRIDGE_RETENTION": "nonsense", "CODER_SQLITE_PATH": "/x.db"}
    assert run("bob", command=few, environ=environ).stdout == "bob /x.db\n"
    assert run("bob", "--verbose", command=few).exit_code == 2
    assert run("--help", command=few).stdout.count("  --") == 2


def test_the_golden_of_help(run, golden):
    golden("show-help.txt", run("show", "--help").stdout)
    golden("server-help.txt", run("--help", command=server).stdout)
