"""config/OPTIONS.md and config/coderai.yaml, generated from the option table.

`python -m coderai.config.docs` (which `make goldens` runs) writes them; a test fails when they are stale.
"""

from pathlib import Path

from coderai.config.bedrock import MODEL, SMALL_FAST_MODEL
from coderai.config.keys import MOST_KEYS
from coderai.config.option import Option
from coderai.config.providers import DEFAULT_BASE_URLS, RESERVED_NAMES
from coderai.config.settings import GROUPS, OPTIONS
from coderai.config.written import sample

DIRECTORY = Path(__file__).parents[2] / "config"

HEAD = """\
# Options of `coderai server`

Generated from coderai/config/settings.py by `make goldens`; do not edit.

Each setting is looked up as a flag, else an environment variable, else a key of the YAML file of `--config`,
else it has its default. `coderai config show --origin` says what is in effect and where it came from;
`coderai server --write-config` prints it as YAML.
"""

TAIL = f"""\
## Indexed providers

Any number of providers, each with a route of its own, `/api/v2/aibridge/<NAME>/`: variables
`CODER_AIBRIDGE_PROVIDER_<N>_<FIELD>` with N from 0 without gaps, or items of the list `aibridge.providers` in
YAML, where item N is provider N and a variable wins over the item's key.

| field | YAML | meaning |
| --- | --- | --- |
| `TYPE` | `type` | required: {" or ".join(f"`{name}`" for name in DEFAULT_BASE_URLS)} |
| `NAME` | `name` | the type by default; lower-case letters, digits and single hyphens, unique |
| `BASE_URL` | `base_url` | the type's own by default; set it for what is compatible with OpenAI, or Copilot's plans |
| `KEY` or `KEYS` | `key` or `keys` | one key, or up to {MOST_KEYS} separated by commas |
| `KEY_FILE` or `KEYS_FILE` | `key_file` or `keys_file` | a file of them, read again on reload |
| `MODELS` | `models` | patterns (`gpt-5*`, `?`, `[a-z]`; case counts), comma-separated or a YAML list; others get 403 |
| `DUMP_DIR` | `dump_dir` | where its requests and responses are dumped, instead of `--aibridge-dump-dir` |
| `STREAM_OPTIONS` | `stream_options` | `false` where `stream_options` is refused; usage is not asked for |

A provider of type `anthropic` with any of these is reached at Amazon Bedrock (`pip install 'coderai[bedrock]'`):

| field | YAML | meaning |
| --- | --- | --- |
| `BEDROCK_REGION` | `bedrock_region` | for which requests are signed; without a base URL, where they go |
| `BEDROCK_BASE_URL` | `bedrock_base_url` | where requests go instead; where it names no region, that has to be set |
| `BEDROCK_ACCESS_KEY` or `…S` | `bedrock_access_key` or `…s` | up to {MOST_KEYS}; without any, AWS's default chain |
| `BEDROCK_ACCESS_KEY_SECRET` or `…S` | `bedrock_access_key_secret` or `…s` | one for each of them |
| `BEDROCK_SESSION_TOKEN` | `bedrock_session_token` | of a single access key that is temporary |
| `BEDROCK_MODEL` | `bedrock_model` | model id, inference profile or ARN for all requests; `{MODEL}` |
| `BEDROCK_SMALL_FAST_MODEL` | `bedrock_small_fast_model` | where `haiku` is in the name asked; `{SMALL_FAST_MODEL}` |

`MODELS` then means these models: they are what is asked for, and what is on record.

Providers of type `copilot`, and an `openai` one named `chatgpt` (Codex signed in with ChatGPT), take no key: users
bring their own in `Authorization`, with the coderai token in `X-Coder-AI-Governance-Token`. Copilot's base URL is
that of the individual plan; the others' are `https://api.business.githubcopilot.com` and
`https://api.enterprise.githubcopilot.com`.

Reserved names: {", ".join(f"`{name}`" for name in RESERVED_NAMES)}. An indexed provider named `openai` or
`anthropic` takes the place of the options of that name, which must not be set as well.

## Values

- **bool**: `--flag`, or `--flag=true` and `--flag=false`; `1`, `t`, `T`, `TRUE`, `True` are `true`, and `0`, `f`, `F`,
  `FALSE`, `False` are `false`, in variables and YAML as well.
- **duration**: `1h30m`, `90s`, `1.5h`, `60d`, `2w`, `0`; the units are `ns us ms s m h d w`.
- **size**: a number of bytes, or `500KB`, `256MB`, `1GB` (powers of 1000), `1MiB`, `1GiB` (powers of 1024).
- **host:port**: `127.0.0.1:3000`, `[::1]:3000`; `:3000` is every interface.
- **list**: commas in flags and variables (double quotes keep a comma: `'"a,b",c'`), a list in YAML. A flag
  that is repeated adds to the list.
- A variable that is set to nothing turns a text or path off (`CODER_LOGGING_HUMAN=`); for others it counts as
  unset.

## Other names

Each `--aibridge-x`, `CODER_AIBRIDGE_X` and `aibridge.x` may be written `--ai-gateway-x`, `CODER_AI_GATEWAY_X`
and `ai_gateway.x`. Both with different values is an error. Coder's own spellings are read as well:
`--aibridge-bedrock-small-fastmodel`, camelCase keys (`aibridge.rateLimit`) and `verbose` at the top of a file.

A configuration file of `coder server` is read as it is: what has no effect here is named in one warning. So are
variables of the AI gateway, of metrics and of tracing; those of Coder's other parts are left alone. Of flags, only
those of metrics and tracing (`--prometheus-enable`, `--trace`) may stay without effect; Coder's others are refused.

## Secrets

Keys are best read from files, or from variables; of the options' keys, none can be in YAML. A key given as a
flag is visible to other users of the machine until `coderai server` has begun again with it as a variable (which
it cannot where a file is a pipe, as of `<(…)`: that is read but once); other commands warn of it. Key and file
together are an error.

## Reload

SIGHUP reads the YAML file, the secret files and the certificates again, and opens the log files anew (after they were
rotated). Options marked *live* change at once; the others take a restart, and so does what a pipe or standard input
held.

## Shell completion

For bash `eval "$(_CODERAI_COMPLETE=bash_source coderai)"`; for zsh and fish put `zsh_source` or
`fish_source` there.
"""


def options_md() -> str:
    return "\n".join([HEAD, *(_group(group.title, group.about) for group in GROUPS), TAIL])


def _group(title: str, about: str) -> str:
    rows = [_row(option) for option in OPTIONS if option.group.title == title]
    head = "| flag | environment | YAML | type, default | meaning |\n| --- | --- | --- | --- | --- |\n"
    return f"## {title}\n\n{about}\n\n{head}{''.join(rows)}"


def _row(option: Option) -> str:
    flag = f"`--{option.flag}`" + (f", `{option.short}`" if option.short else "")
    variable = f"`{option.variables[0]}`" if option.variables else "-"
    key = f"`{option.yaml}`" if option.yaml else "none (secret)" if option.secret else "-"
    default = option.default_help or (f"`{option.default}`" if option.default else "none")
    meaning = option.help + (" *Live.*" if option.live else "")
    kind = option.kind.name.replace("|", " or ")
    return f"| {flag} | {variable} | {key} | {kind}, {default} | {meaning} |\n"


def write() -> None:
    (DIRECTORY / "OPTIONS.md").write_text(options_md(), encoding="utf-8")
    (DIRECTORY / "coderai.yaml").write_text(sample(), encoding="utf-8")


if __name__ == "__main__":
    write()
