"""The audit trail in a database: `Database(...).open()` gives a `Store`; all SQL is in this package and nowhere
else.
"""

from coderai.store.driver import BadData, StoreUnavailable
from coderai.store.opening import Database
from coderai.store.sqlite import open_sqlite
from coderai.store.store import Store

__all__ = ["BadData", "Database", "Store", "StoreUnavailable", "open_sqlite"]
