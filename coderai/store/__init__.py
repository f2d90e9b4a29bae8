"""The audit trail in a database: `open_sqlite(path)` gives a `Store`; all SQL is in this package and nowhere
else.
"""

from coderai.store.driver import BadData, StoreUnavailable
from coderai.store.sqlite import open_sqlite
from coderai.store.store import Store

__all__ = ["BadData", "Store", "StoreUnavailable", "open_sqlite"]
