"""Which database it is, and how it is opened: PostgreSQL where a URL is given, else SQLite."""

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from coderai.store.sqlite import open_sqlite
from coderai.store.store import Store


class Database(NamedTuple):
    sqlite_path: Path
    postgres_url: str = ""
    synchronous: str = "normal"  # SQLite's: or `full`, for a loss of power

    async def open(self, *, checked: bool = False) -> Store:
        """checked: a SQLite file not if it is damaged, as far as that is soon seen. Raises StoreUnavailable."""
        if self.postgres_url:
            # loaded only where it is used: its library takes a fifth of the time that the server takes to start
            store: Store = await import_module("coderai.store.postgres").open_postgres(self.postgres_url)
            return store
        return await open_sqlite(self.sqlite_path, self.synchronous, checked=checked)

    def __str__(self) -> str:
        if self.postgres_url:
            return str(import_module("coderai.store.postgres_url").shown(self.postgres_url))
        return str(self.sqlite_path)

    @property
    def is_new(self) -> bool:
        """Whether to open it is to create it. PostgreSQL's are created by others."""
        try:
            return not self.postgres_url and not self.sqlite_path.exists()
        except OSError:  # it may not be looked at: opening it says why
            return False

    @property
    def secrets(self) -> list[str]:
        """What no log may hold of it."""
        return import_module("coderai.store.postgres_url").secrets(self.postgres_url) if self.postgres_url else []
