"""Where a store is kept: one sqlite file, written with each change, so that a killed lab goes on where it was.

Only what is there now is kept, and the revision; what happened before is told from memory or not at all.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from kubevouch.errors import KubevouchError
from kubevouch_lab.apiserver.status import internal_error
from kubevouch_lab.objects import Object

Key = tuple[str, str, str]  # group, version, plural
Where = tuple[str, str]  # namespace and name

# Raised when the tables below change.
_FORM = 1
_SCHEMA = """
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS objects (
    grp TEXT, version TEXT, plural TEXT, namespace TEXT, name TEXT, raw BLOB NOT NULL,
    PRIMARY KEY (grp, version, plural, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES (1, 0);
"""
_KEEP = (
    "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (grp, version, plural, namespace, name) DO UPDATE SET raw = excluded.raw"
)
_FORGET = "DELETE FROM objects WHERE grp = ? AND version = ? AND plural = ? AND namespace = ? AND name = ?"


class CannotKeep(KubevouchError):
    """The file is not one that a store is kept in, or cannot be opened."""


class StoreJournal:
    """One file. A write is there for the next process as soon as the call returns, even if this one is killed.

    Raises CannotKeep for a file that is something else. A change that cannot be written raises a StatusError
    of 500, and leaves no trace.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._database = _opened(file)
        except sqlite3.Error as error:
            expected = "remove it to begin with an empty store"
            raise CannotKeep(
                str(file), f"not the store of an API server: {error}", expected
            ) from None

    def objects(self) -> Iterator[tuple[Key, Where, Object]]:
        """All that is kept."""
        for group, version, plural, namespace, name, raw in self._database.execute(
            "SELECT * FROM objects"
        ):
            yield (group, version, plural), (namespace, name), msgspec.json.decode(raw)

    def revision(self) -> int:
        """The last one that was given out; 0 for a new file."""
        return int(self._database.execute("SELECT revision FROM counter").fetchone()[0])

    def keep(self, key: Key, where: Where, revision: int, raw: bytes) -> None:
        """Writes an object, new or changed."""
        self._write(revision, _KEEP, (*key, *where, raw))

    def forget(self, key: Key, where: Where, revision: int) -> None:
        """Takes an object out."""
        self._write(revision, _FORGET, (*key, *where))

    def close(self) -> None:
        """Gives the file back."""
        self._database.close()

    def _write(self, revision: int, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(statement, values)
            self._database.execute("UPDATE counter SET revision = ?", (revision,))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            # A full disk, most of all. The writer gets this error, and may write again.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise internal_error(f"{self._file}: {error}") from None


def _opened(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None)
    try:
        # WAL and no sync at each commit: a killed process loses nothing, a power cut at most the last writes.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        (form,) = database.execute("PRAGMA user_version").fetchone()
        if form not in {0, _FORM}:
            raise sqlite3.DatabaseError(f"its form is {form}, this program's is {_FORM}")
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database
