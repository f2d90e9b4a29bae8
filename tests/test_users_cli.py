"""`coderai users` and `coderai tokens`, on the database of a store that is open meanwhile."""

import asyncio
import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from coderai.auth import Authenticator
from coderai.cli.tokens import tokens
from coderai.cli.users import users
from coderai.user_tokens import Unauthenticated
from tests.databases import Place, change, environment, opened, query
from tests.logs.opened import open_logs

TOKEN = re.compile(r"[A-Za-z0-9]{10}-[A-Za-z0-9]{22,}\n")


@click.group()
def main() -> None:
    """The groups under test."""


main.add_command(users)
main.add_command(tokens)


class Cli:
    def __init__(self, place: Place) -> None:
        self.place = place

    def __call__(self, *arguments: str) -> Result:
        return CliRunner(env=environment(self.place)).invoke(main, arguments)

    def done(self, *arguments: str) -> str:
        result = self(*arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def refused(self, *arguments: str) -> tuple[int, str]:
        """One line on stderr, nothing on stdout."""
        result = self(*arguments)
        assert result.exit_code in (1, 2) and result.stdout == ""
        assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
        return result.exit_code, result.stderr

    def json(self, *arguments: str) -> list[dict[str, str | None]]:
        listed: list[dict[str, str | None]] = json.loads(self.done(*arguments, "--json"))
        return listed


@pytest.fixture
def cli(place: Place) -> Cli:
    return Cli(place)


def test_users_are_created_and_listed(cli: Cli) -> None:
    created = cli.done("users", "create", "alice", "--email", "alice@example.com")
    note = f"no database yet: creating {cli.place}\n" if isinstance(cli.place, Path) else ""
    assert created == f"{note}created user alice, role member\n"
    cli.done("users", "create", "Bob.Builder", "--role", "auditor")
    table = [line.split("  ") for line in cli.done("users", "list").splitlines()]
    assert [line[0].strip() for line in table] == ["NAME", "alice", "Bob.Builder"]
    listed = cli.json("users", "list")
    assert [(user["name"], user["email"], user["role"], user["status"]) for user in listed] == [
        ("alice", "alice@example.com", "member", "active"),
        ("Bob.Builder", "", "auditor", "active"),
    ]


def test_status_and_deletion(cli: Cli) -> None:
    cli.done("users", "create", "alice")
    assert cli.done("users", "suspend", "alice") == "user alice is suspended; servers that run heed it within 10 s\n"
    assert cli.json("users", "list")[0]["status"] == "suspended"
    cli.done("users", "activate", "ALICE")
    assert cli.json("users", "list")[0]["status"] == "active"
    cli.done("tokens", "create", "--user", "alice", "--name", "laptop")
    assert cli.done("users", "delete", "alice") == "deleted user alice; servers that run heed it within 10 s\n"
    assert cli.json("users", "list") == cli.json("tokens", "list") == []
    assert query(cli.place, "SELECT name FROM users WHERE deleted_at IS NOT NULL") == [("alice",)]
    for arguments in (("users", "activate", "alice"), ("tokens", "create", "--user", "alice", "--name", "x")):
        assert 'no user "alice"' in cli.refused(*arguments)[1]
    cli.done("users", "create", "alice")  # another person, perhaps: what is done from now on is done to that one
    cli.done("tokens", "create", "--user", "alice", "--name", "laptop")
    cli.done("users", "suspend", "alice")
    assert cli.json("users", "list")[0]["status"] == cli.json("tokens", "list")[0]["user_status"] == "suspended"


@pytest.mark.parametrize("name", ["", "a b", "a--b", "-a", "me", "ä", "x" * 33, "a\nb", "a:b"])
def test_names_that_cannot_be(cli: Cli, name: str) -> None:
    code, error = cli.refused("users", "create", "--", name)
    assert code == 2
    assert "use 1 to 32 letters and digits" in error


def test_mistakes_name_the_value_and_the_remedy(cli: Cli) -> None:
    cli.done("users", "create", "alice")
    for arguments, code, parts in (
        (("users", "create", "Alice"), 1, ('"Alice"', "choose another name")),
        (("users", "create", "bob", "--role", "admin"), 2, ('--role "admin"', "member, auditor, owner")),
        (("users", "create", "bob", "--email", "bob"), 2, ('--email "bob"', "alice@example.com")),
        (("users", "suspend", "b\udcffb"), 2, ("does not take",)),
        (("users", "suspend", "bob"), 1, ('"bob"', "coderai users list")),
        (("users", "delete", "bob"), 1, ('"bob"', "coderai users list")),
        (("users", "delete", "bob\n\x1b[31m"), 1, (r'"bob\n\x1b[31m"', "coderai users list")),
        (("tokens", "create", "--user", "bob", "--name", "x"), 1, ('"bob"', "coderai users list")),
        (("tokens", "create", "--user", "alice", "--name", " "), 2, ("--name", "printable")),
        (("tokens", "create", "--user", "alice", "--name", "x", "--lifetime", "30"), 2, ('"30"', "30d")),
        (("tokens", "revoke", "abcdefghij"), 1, ('"abcdefghij"', "coderai tokens list")),
        (("tokens", "revoke", "abcdefghij-secret"), 2, ("no token id", "coderai tokens list")),
    ):
        exit_code, error = cli.refused(*arguments)
        assert exit_code == code, arguments
        assert all(part in error for part in parts), error
        assert "secret" not in error


def test_a_database_that_cannot_be(tmp_path: Path) -> None:
    code, error = Cli(tmp_path).refused("users", "list")
    assert code == 1
    assert "is a directory" in error and "--sqlite-path" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ("users", "list"),
        ("users", "delete", "alice"),
        ("tokens", "list"),
        ("tokens", "create", "--user", "alice", "--name", "x"),
    ],
)
def test_a_misspelt_path_makes_no_database(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "typo" / "coderai.db"
    code, error = Cli(path).refused(*arguments)
    assert code == 1
    assert f"there is no database {path}" in error and "--sqlite-path" in error
    assert not path.parent.exists()


def test_a_token_is_printed_alone(cli: Cli) -> None:
    cli.done("users", "create", "alice")
    token = cli.done("tokens", "create", "--user", "alice", "--name", "my laptop")
    assert TOKEN.fullmatch(token)
    (listed,) = cli.json("tokens", "list")
    assert (listed["id"], listed["user"], listed["name"]) == (token[:10], "alice", "my laptop")
    table = cli.done("tokens", "list")
    assert "active" in table and token[11:].strip() not in table
    cli.done("users", "suspend", "alice")
    assert "suspended" in cli.done("tokens", "list") and cli.json("tokens", "list")[0]["user_status"] == "suspended"


def test_lifetimes(cli: Cli) -> None:
    cli.done("users", "create", "alice")
    for lifetime in ("0", "1ms", "12h"):
        cli.done("tokens", "create", "--user", "alice", "--name", lifetime, "--lifetime", lifetime)
    assert [token["name"] for token in cli.json("tokens", "list") if token["expires_at"] is None] == ["0"]
    lines = cli.done("tokens", "list").splitlines()[1:]
    assert [line.split()[3] for line in lines] == ["active", "expired", "active"]
    assert lines[0].endswith("never")


async def test_while_the_server_has_the_database(cli: Cli) -> None:
    store = await opened(cli.place)
    authenticator = Authenticator(store, open_logs(human=""))
    await asyncio.to_thread(cli.done, "users", "create", "alice")
    token = await asyncio.to_thread(cli.done, "tokens", "create", "--user", "alice", "--name", "laptop")
    user = await authenticator.user(token.strip())
    assert user.name == "alice"
    said = await asyncio.to_thread(cli.done, "tokens", "revoke", user.token_id)
    assert said == f"revoked token {user.token_id}; servers that run heed it within 10 s\n"
    await authenticator.refresh()
    with pytest.raises(Unauthenticated):
        await authenticator.user(token.strip())
    assert (await asyncio.to_thread(cli.json, "tokens", "list"))[0]["revoked_at"] is not None
    await store.close()


@pytest.mark.parametrize("column", ["name", "email", "role", "created_at"])
def test_bytes_that_somebody_put_for_a_text_are_listed(tmp_path: Path, column: str) -> None:
    cli = Cli(tmp_path / "coderai.db")
    cli.done("users", "create", "alice")
    cli.done("tokens", "create", "--user", "alice", "--name", "laptop")
    change(cli.place, f"UPDATE users SET {column} = x'61ff'")
    assert [user[column] for user in cli.json("users", "list")] == ["a\ufffd"]
    assert "a\ufffd" in cli.done("users", "list")
    assert cli.json("tokens", "list")[0]["user"] == ("a\ufffd" if column == "name" else "alice")
    change(cli.place, "UPDATE tokens SET name = x'62ff'")
    assert "b\ufffd" in cli.done("tokens", "list")
