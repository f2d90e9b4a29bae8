"""Each deliberate mistake gets a message that says where it is and what to do; all come at once."""

import json

import pytest

from coderai.config import SettingsError, resolve


def problems(flags=None, environ=None, yaml=None):
    given = dict(flags or {})
    if yaml is not None:
        given["config"] = "-"
    with pytest.raises(SettingsError) as caught:
        resolve(given, environ or {}, stdin=lambda: yaml if isinstance(yaml, bytes) else yaml.encode())
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize(
    ("flag", "text", "expected"),
    [
        ("aibridge-enabled", "maybe", '"maybe": it is neither true nor false; expected true or false'),
        ("aibridge-retention", "60", '"60": a unit is missing (60s? 60d?); expected a duration such as 60d'),
        ("aibridge-retention", "-1d", '"-1d": it must not be negative'),
        ("aibridge-openai-base-url", "api.openai.com", "does not start with http:// or https://"),
        ("aibridge-openai-base-url", "https://", "names no host"),
        ("aibridge-openai-base-url", "https://u:p@h/", "it holds credentials"),
        ("aibridge-openai-base-url", "https://h/?a=1", "a query"),
        ("aibridge-openai-base-url", "https://h:99999/", "its port is not a number up to 65535"),
        ("aibridge-openai-base-url", "https://h/a b", "white space"),
        ("http-address", "3000", "it is not host:port; expected host:port such as 127.0.0.1:3000"),
        ("http-address", "", "it must not be empty"),
        ("http-address", "h:70000", "the port is above 65535"),
        ("http-address", "::1:80", "it is not host:port"),
        ("log-filter", "a,(", "'(' is not a regular expression: missing ), unter"),
        ("tls-min-version", "tls10", "RFC 8996 forbids TLS 1.0"),
        ("tls-min-version", "1.2", "expected tls12 or tls13"),
        ("tls-cert-file", '"a', "not a comma-separated list"),
        ("aibridge-max-request-body", "0", "above 0"),
        ("aibridge-max-request-body", "lots", "it is not a size; expected a size such as"),
        ("aibridge-max-request-body", "2GB", "2GB is more than --aibridge-max-body-memory (1GB)"),
        ("aibridge-proxy-upstream", "5", "this option of Coder is not supported by coderai; remove it"),
        ("postgres-url", "mysql://u:hush@h/d", "does not start with postgres://"),
        ("sqlite-synchronous", "off", "neither normal nor full; expected normal or full"),
        ("aibridge-retentoin", "5d", "unknown flag; did you mean aibridge-retention?"),
        ("log-json", "a\0b", "NUL"),
    ],
)
def test_flags(flag, text, expected):
    (problem,) = problems({flag: text})
    assert problem.startswith(f"--{flag}: ") and expected in problem


def test_variables_are_named():
    (problem,) = problems(environ={"CODER_AIBRIDGE_RETENTION": "5x"})
    assert problem == (
        'CODER_AIBRIDGE_RETENTION: "5x": it is not a duration; expected a duration such as 60d, 1h30m, 90s or 0'
    )


QUOTES = "its quotes count as part of it (docker's --env-file leaves them there); remove them; expected a path"
BLANKS = "white space, or a line end, is before or behind it; remove that; expected a path"


@pytest.mark.parametrize(
    ("variable", "text", "shown", "reason"),
    [
        ("CODER_SQLITE_PATH", '"/data/c.db"', '""/data/c.db""', QUOTES),
        ("CODER_AIBRIDGE_DUMP_DIR", "'/dumps'", "\"'/dumps'\"", QUOTES),
        ("CODER_LOGGING_JSON", "/log.json\r", '"/log.json\\r"', BLANKS),
        ("CODER_SPOOL_DIR", " /spool", '" /spool"', BLANKS),
    ],
)
def test_what_docker_leaves_in_a_variable(variable, text, shown, reason):
    (problem,) = problems(environ={variable: text})
    assert problem.startswith(f"{variable}: {shown}: {reason}")


def test_a_bad_secret_is_not_shown():
    (problem,) = problems(environ={"CODER_AIBRIDGE_OPENAI_KEY": "sk hush"})
    assert problem.startswith("CODER_AIBRIDGE_OPENAI_KEY: (hidden): it holds white space")


@pytest.mark.parametrize(
    "url",
    ["https://user:pa/ss@h/v1", "ftp://user:pass@h", "https://user:pass@h:x/", "user:pa@ss@h/v1", "//user:pass@h"],
)
def test_credentials_in_a_url_are_not_shown(url):
    (problem,) = problems(environ={"CODER_AIBRIDGE_OPENAI_BASE_URL": url})
    assert "***@h" in problem and "pa" not in problem.split("expected")[0]


@pytest.mark.parametrize(
    "key",
    ["sk-proj-0123456789abcdef", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "0123456789abcdef0123456789abcdef",
     "qSAP6TNjKr-yeOy3joagf5PIaUtnFkcM5iYh3GwVQxv"],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "ENABLED", "RETENTION", "PROVIDER_0_TYPE"])
def test_a_key_in_the_place_of_something_else_is_not_shown(variable, key):
    """KEY and BASE_URL of a provider mixed up, say."""
    environ = {"CODER_AIBRIDGE_PROVIDER_0_TYPE": "openai", f"CODER_AIBRIDGE_{variable}": key}
    for given in (key, f'"{key}"', f"{key},{key}"):
        for problem in problems(environ=environ | {f"CODER_AIBRIDGE_{variable}": given}):
            assert key not in problem and key[:4] + "…" in problem


@pytest.mark.parametrize(
    "value", ["Some/Long/Path/To/Nowhere1", "2026-11-28T05:45:19.123Z", "host.Example.com:99999999"]
)
def test_what_cannot_be_a_key_is_shown_whole(value):
    (problem,) = problems(environ={"CODER_HTTP_ADDRESS": f"/{value}"})
    assert f'"/{value}"' in problem


def test_nobody_is_sent_to_the_group_where_a_key_stands_already():
    (problem,) = problems(yaml="networking: {http: {http: 1}}")
    assert "did you mean networking.http?" not in problem


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("aibridge:\n  retentoin: 5d\n",
         ':2: aibridge.retentoin: unknown key, with the value "5d"; did you mean aibridge.retention?'),
        ("aibridge: {openai_kye: sk-hush-hush-hush}", "openai_kye: unknown key, with the value (hidden); did you mean"),
        ("aibridge: {openaiKey: sk-hush}", "set CODER_AIBRIDGE_OPENAI_KEY, or aibridge.openai_key_file"),
        ("aibrige:\n  enabled: true\n",
         ":1: aibrige: unknown key, with the value a group of keys; did you mean aibridge?"),
        ("aibridge:\n  enabled: true\n  enabled: true\n",
         ":3: aibridge.enabled: the key was given before, on line 2; remove one"),
        ("aibridge: {enabled: 3}", ':1: aibridge.enabled: "3": it is neither true nor false; expected true'),
        ("aibridge: {enabled: [true]}", ":1: aibridge.enabled: it is a list; expected true or false"),
        ("aibridge: true", ':1: aibridge: "true" was given; expected a group of keys'),
        ("aibridge: hush-hush-hush", ":1: aibridge: (hidden) was given; expected a group of keys"),
        ("aibridge:\n  retention: {days: 60}", ":2: aibridge.retention: it is a group"),
        ("aibridge:\n  retention: 60", ':2: aibridge.retention: "60": a unit is missing'),
        ("ai-gateway: {enabled: true}", "unknown key, with the value a group of keys; did you mean ai_gateway?"),
        ("aiGateway: {enabled: true}", "unknown key, with the value a group of keys; did you mean ai_gateway?"),
        ("networking: {http: {httpAdress: ':1'}}", "did you mean networking.http.httpAddress?"),
        ("networking:\n  http:\n    port: 1\n", ':3: networking.http.port: unknown key, with the value "1"'),
        ("introspection: {logging: {filter: [a, 1]}}", 'filter: item 2, "1": YAML reads it as int; expected a list'),
        (r'networking: {tls: {certFiles: "a\nb"}}', "(new-line character seen in unquoted field); expected a list"),
        ("networking: {tls: {certFiles: 5}}", 'certFiles: "5": YAML reads it as int; expected a list'),
        ("introspection: {logging: {humanPath: false}}", 'YAML reads it as bool; expected a path, in quotes'),
        ("introspection: {logging: {filter: ['(']}}", "is not a regular expression"),
        ('sqlitePath: "/a\\ud800"', "it holds half a surrogate pair"),
        ("aibridge: {openai_key: *sk-hush-hush-hush}", "not YAML: found undefined alias (hidden)"),
        ("aibridge: {openai_base_url: 'ftp://a/v1?key=hush'}", '"ftp://a/v1?***"'),
        ("? [a, b]\n: 1", ":1: a key below the top is a list; expected text"),
        ("<<: {aibridge: 1}", "<<: unknown key"),
        ("- 1", ":1: the file is a list; expected keys such as aibridge: and networking:"),
        ("just text", ":1: the file is a single value; expected keys"),
        ("a: 1\n---\nb: 2\n", ":2: a second document begins; expected one"),
        ("a: 1\n b: 2\n", ":2: not YAML: mapping values are not allowed here"),
        ("aibridge: retention: 90d", "not allowed here; write each key on a line of its own, indented with blanks"),
        ("a: *b", ":1: not YAML: found undefined alias"),
        (b"\xff\xfe\x00", ": not YAML: "),
        (b"a: \x01", ": not YAML: "),
        ("[" * 5000, ": nested too deeply to be settings"),
        ("sqlitePath: /a\ncoderai: {sqlite_path: /b}", "sqlitePath and standard input:2: coderai.sqlite"),
        ('"a\\nb\\e[31m": 1', r":1: a\nb\x1b[31m: unknown key"),
        ("aibridge: &a {providers: *a}", "aibridge.providers: it is a group of keys; expected a list"),
    ],
)  # fmt: skip
def test_yaml(yaml, expected):
    (problem,) = problems(yaml=yaml)
    assert problem.startswith("standard input") and expected in problem


def test_a_secret_in_yaml_is_refused_and_not_shown():
    yaml = "aibridge:\n  openai_key: sk-hush\n  opnai_key: sk-hush\n"
    exact, misspelt = problems(yaml=yaml)
    assert "set CODER_AIBRIDGE_OPENAI_KEY, or aibridge.openai_key_file" in exact
    assert "(hidden)" in misspelt
    assert "sk-hush" not in exact + misspelt


def test_everything_is_told_at_once():
    yaml = "aibridge:\n  retention: soon\n  nonsense: 1\nnetworking:\n  http:\n    httpAddress: x\n"
    found = problems(
        {"log-filter": "(", "aibridge-retention": "1d"},
        {"CODER_AIBRIDGE_ENABLED": "maybe", "CODER_AIBRIDGE_PROVIDER_0_TYPE": "x"},
        yaml,
    )
    text = "\n".join(found)
    assert len(found) == 6
    for part in ("--log-filter", "CODER_AIBRIDGE_ENABLED", ":2: ", ":3: ", ":6: ", "unknown TYPE"):
        assert part in text


@pytest.mark.parametrize("path", ["/nowhere/x.yaml", "/"])
def test_a_file_that_cannot_be_read(path):
    (problem,) = problems({"config": path})
    assert problem.startswith(f'--config: cannot read "{path}": ') and problem.endswith("expected a YAML file")
    (problem,) = problems(environ={"CODER_CONFIG_PATH": path})
    assert problem.startswith("CODER_CONFIG_PATH: cannot read")


def test_an_endless_file():
    (problem,) = problems({"config": "/dev/zero"})
    assert "is over 4194304 bytes" in problem


def test_tls_needs_certificates():
    cert, key = problems({"tls-enable": "true"})
    assert cert.startswith("--tls-cert-file: ") and key.startswith("--tls-key-file: ")
    (problem,) = problems({"tls-enable": "true", "tls-cert-file": "a,b", "tls-key-file": "a"})
    assert "2 certificates and 1 keys" in problem


def test_https_needs_an_address_of_its_own():
    tls = {"tls-enable": "true", "tls-cert-file": "a", "tls-key-file": "b"}
    (problem,) = problems({**tls, "tls-address": ":8443", "http-address": ":8443"})
    assert problem.startswith("--tls-address: :8443 is --http-address too")
    assert resolve({**tls, "tls-address": ":0", "http-address": ":0"}, {}).settings.tls_enable


def test_certificates_without_tls_are_warned_about():
    (warning,) = resolve({"tls-cert-file": "a", "tls-key-file": "b"}, {}).warnings
    assert warning == "--tls-cert-file and --tls-key-file have no effect without --tls-enable"


def test_a_long_or_odd_value_stays_on_one_line():
    (problem,) = problems({"aibridge-retention": "x\n\x1b[31m" + "y" * 500})
    assert r"x\n\x1b[31m" in problem and len(problem) < 250


def test_a_variable_s_odd_name_stays_on_one_line():
    (warning,) = resolve({}, {"CODER_AIBRIDGE_X\n[erro] forged": "1"}).warnings
    assert warning.startswith(r"CODER_AIBRIDGE_X\n[erro] forged: unknown variable, ignored")


@pytest.mark.parametrize("end", ["\n", "\\n", " ", "\r\n"])
def test_a_private_key_in_place_of_its_file_is_not_repeated(end):
    pem = f"-----BEGIN EC PRIVATE KEY-----{end}MHcCAQEEIBsecret{end}-----END EC PRIVATE KEY-----{end}"
    told = "(hidden): it is PEM, not a path; write it to a file and name that; expected a list of paths"
    for flags, environ, source in (
        ({}, {"CODER_TLS_KEY_FILE": pem}, "CODER_TLS_KEY_FILE"),
        ({"tls-key-file": (pem,)}, {}, "--tls-key-file"),
    ):
        with pytest.raises(SettingsError) as caught:
            resolve(flags, environ)
        assert caught.value.problems == (f"{source}: {told}",)
    yaml = json.dumps({"networking": {"tls": {"keyFiles": [pem]}}}).encode()
    with pytest.raises(SettingsError) as caught:
        resolve({"config": "-"}, {}, stdin=lambda: yaml)
    assert "MHcC" not in str(caught.value) and "it is PEM, not a path" in str(caught.value)
