"""A copy of a side's tables in the works, and the list of what was changed in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import Row

REMOVED = None  # what a removed row or mask is now


@dataclass(frozen=True)
class Change:
    """One change: a value of a row, or a whole row that was removed."""

    rule: str
    table: str
    image_id: Any
    annotation_id: Any
    key: str | None  # None: the whole row
    was: Any  # None: nothing
    now: Any  # None: nothing


@dataclass
class Fixes:
    """Rows are copies of the side's, their values are replaced and never altered: the side stays as it is."""

    images: list[Any]
    annotations: list[Any]
    categories: list[Any]
    changes: list[Change] = field(default_factory=list)

    @classmethod
    def of(cls, tables: SplitTables) -> Fixes:
        return cls(_copies(tables.images), _copies(tables.annotations), _copies(tables.categories))

    def set(self, rule_id: str, table: str, row: Row, key: str, value: Any) -> None:
        """Writes one value of a row."""
        self.changes.append(Change(rule_id, table, *_ids(table, row), key, row.get(key), value))
        row[key] = value

    def remove(self, rule_id: str, table: str, rows: Iterable[Any]) -> None:
        """Removes rows, which have to be the very ones of the table."""
        gone = {id(row): row for row in rows}
        if not gone:
            return
        for row in gone.values():
            self.changes.append(Change(rule_id, table, *_ids(table, row), None, row, REMOVED))
        setattr(self, table, [row for row in getattr(self, table) if id(row) not in gone])


def _copies(table: list[Any]) -> list[Any]:
    return [dict(row) if isinstance(row, dict) else row for row in table]


def _ids(table: str, row: Any) -> tuple[Any, Any]:
    """image id, annotation id; None for what a row has not."""
    if not isinstance(row, dict) or table == "categories":
        return None, None
    return (row.get("image_id"), row.get("id")) if table == "annotations" else (row.get("id"), None)
