"""
Which classes of a COCO file a model learns, under which names and in which order: functions of the file's content.

A category is a row of the file's table, a class is what becomes of it. Detectron2 numbers the classes by ascending
category id, so an order of one's own needs other ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maskrcnn_project.datasets.coco_file import root_candidates
from maskrcnn_project.errors import DatasetError

Table = Sequence[Mapping[str, Any]]  # the categories of a file, in its order
Key = tuple[int, str]  # id and name of a category


@dataclass(frozen=True)
class ClassChanges:
    """
    What is wanted of the classes of a file: first ``rename``, then ``merge``, then ``keep``, each of which uses the
    names that the one before gave.

    Args:
        keep: the classes to learn, in the order of the model's outputs; None: all, by ascending category id.
        rename: {name: new name}.
        merge: {new name: names that become this one class}; it has the lowest id of them.
        keep_root_category: a category that only holds the others (``find_roots``) stays a class.

    Raises:
        DatasetError: an argument is of another type, or names a class twice.
    """

    keep: Sequence[str] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    merge: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keep_root_category: bool = False

    def __post_init__(self) -> None:
        if self.keep is not None and not _is_names(self.keep):
            raise DatasetError(f"The classes to keep should be a list of names, each once, but are {self.keep!r}.")
        if not isinstance(self.rename, Mapping) or not _is_texts([*self.rename, *self.rename.values()]):
            raise DatasetError(f"The classes to rename should map names to new names, but are {self.rename!r}.")
        groups = list(self.merge.values()) if isinstance(self.merge, Mapping) else [None]
        if not all(map(_is_names, groups)) or not _is_texts(list(self.merge)):
            raise DatasetError(f"The classes to merge should map new names to lists of names, but are {self.merge!r}.")
        twice = [name for name, count in Counter(name for group in groups for name in group).items() if count > 1]
        if twice:
            raise DatasetError(f"The class {twice[0]!r} should be merged into one class, but is listed for two.")
        if not isinstance(self.keep_root_category, bool):
            raise DatasetError(f"keep_root_category should be true or false, but is {self.keep_root_category!r}.")

    def as_dict(self) -> dict[str, Any]:
        """What was asked for, as values of JSON; empty where nothing was."""
        values = {
            "keep": list(self.keep or ()),
            "rename": dict(self.rename),
            "merge": {name: list(group) for name, group in self.merge.items()},
            "keep_root_category": self.keep_root_category,
        }
        return {key: value for key, value in values.items() if value}


@dataclass(frozen=True)
class ClassPlan:
    """What becomes of the categories of one file."""

    categories: list[dict[str, Any]]  # the new table
    new_ids: dict[int, int]  # category id of the file -> id in the new table; left-out ones are missing
    changed: bool  # False: table and ids are those of the file
    left_out: tuple[str, ...]  # classes that are not to be kept; without root categories
    notes: tuple[str, ...]  # for the log

    @property
    def names(self) -> dict[int, str]:
        """{category id: class name}, in the order of the table."""
        return {row["id"]: row["name"] for row in self.categories}


def find_roots(files: Iterable[tuple[Table, Callable[[int], bool]]]) -> set[Key]:
    """
    The root categories that some exporters add above the real ones: each is the supercategory of others, below none
    itself, and owns no annotation.

    Args:
        files: for each file that one model has to serve, its table, and whether it has annotations of a category
            id: a class may lack instances in val, and is no root for that.
    """
    files = list(files)
    candidates = {_key(row) for table, _ in files for row in root_candidates(table)}
    return {key for key in candidates if not any(used(key[0]) for table, used in files if key in map(_key, table))}


def find_roots_of(*cocos: Mapping[str, Any]) -> set[Key]:
    """``find_roots`` of the contents of COCO files that one model has to serve."""
    return find_roots((coco["categories"], _used_ids(coco).__contains__) for coco in cocos)


def plan_classes(
    categories: Table,
    changes: ClassChanges | None = None,
    roots: Collection[Key] = (),
    title: str = "The COCO file",
    *,
    renumber: bool = False,
) -> ClassPlan:
    """
    Args:
        categories: the table of a file, whose ids are unique.
        roots: of ``find_roots``; dropped unless ``changes`` keep them.
        title: what errors call the file.
        renumber: classes to keep get ids from 1 even if theirs ascend, as another file has to have the same.

    Raises:
        DatasetError: ``changes`` name a class that the file lacks, or give two classes one name.
    """
    changes = changes or ClassChanges()
    rows = [dict(row) for row in sorted(categories, key=lambda row: row["id"])]
    new_ids = {row["id"]: row["id"] for row in rows}
    notes = []
    for root in [] if changes.keep_root_category else [row for row in rows if _key(row) in roots]:
        rows.remove(root)
        del new_ids[root["id"]]
        notes.append(
            f"the category {root['name']!r} (id {root['id']}) only holds the others, and no annotation has it: left "
            "out as the root that some exporters add (keep_root_category keeps it)"
        )
        title += f" (less its root category {root['name']!r}, which keep_root_category keeps)"
    _rename(rows, changes.rename, title)
    for name, group in changes.merge.items():
        rows = _merge(rows, new_ids, name, group, title)
    _refuse_repeated_names(rows, title)
    left_out: list[str] = []
    if changes.keep is None:
        place = {row["id"]: index for index, row in enumerate(categories)}
        rows.sort(key=lambda row: place[row["id"]])
    else:
        left_out = [row["name"] for row in rows if row["name"] not in changes.keep]
        before = {row["id"]: row["name"] for row in rows if row["name"] in changes.keep}
        rows = _keep(rows, new_ids, changes.keep, title, renumber)
        if {row["id"]: row["name"] for row in rows} != before:
            notes.append(f"the category ids are 1 to {len(rows)}, in the order of the classes to keep")
    changed = rows != list(categories) or any(old != new for old, new in new_ids.items())
    return ClassPlan(rows, new_ids, changed, tuple(left_out), tuple(notes))


def apply_plan(coco: Mapping[str, Any], plan: ClassPlan) -> tuple[dict[str, Any], list[str]]:
    """
    Returns:
        the content with the new table and without the annotations of left-out classes, and what to log. All images
        stay; rows that do not change are the same objects.
    """
    before, annotations = coco.get("annotations", []), []
    for row in before:
        new_id = plan.new_ids.get(row["category_id"])
        if new_id is not None:
            annotations.append(row if new_id == row["category_id"] else {**row, "category_id": new_id})
    changed = {**coco, "annotations": annotations, "categories": plan.categories}
    notes = list(plan.notes)
    if plan.left_out:
        notes.append(f"left out: the {_classes(plan.left_out)}, with {len(before) - len(annotations)} annotations")
    return changed, notes + note_of_empty_classes(changed)


def change_classes(
    coco: Mapping[str, Any], changes: ClassChanges | None = None, roots: Collection[Key] | None = None
) -> tuple[dict[str, Any], list[str]]:
    """
    ``plan_classes`` and ``apply_plan`` in one.

    Args:
        roots: None: ``find_roots_of`` this content alone; for several files, find them together.
    """
    roots = find_roots_of(coco) if roots is None else roots
    return apply_plan(coco, plan_classes(coco["categories"], changes, roots))


def note_of_empty_classes(coco: Mapping[str, Any]) -> list[str]:
    """A sentence on the classes that no annotation has, or nothing."""
    used = _used_ids(coco)
    empty = [row["name"] for row in coco["categories"] if row["id"] not in used]
    return [f"no annotation has the {_classes(empty)}"] if empty else []


def class_differences(first: Mapping[int, str], second: Mapping[int, str], titles: tuple[str, str]) -> list[str]:
    """
    In what two class tables disagree, a phrase each.

    Args:
        first, second: {category id: name}, in the order of the table.
        titles: what to call the two.
    """
    differences = []
    for key in sorted({*first, *second}):
        if first.get(key) != second.get(key):
            found = [repr(names[key]) if key in names else "nothing" for names in (first, second)]
            differences.append(f"id {key} is {found[0]} in {titles[0]} and {found[1]} in {titles[1]}")
    if not differences and list(first) != list(second):
        differences.append(f"the order of the ids is {list(first)} in {titles[0]} and {list(second)} in {titles[1]}")
    return differences


def _rename(rows: list[dict[str, Any]], new_names: Mapping[str, str], title: str) -> None:
    _refuse_unknown(new_names, rows, "rename", title)
    for row in rows:
        row["name"] = new_names.get(row["name"], row["name"])


def _merge(
    rows: list[dict[str, Any]], new_ids: dict[int, int], name: str, group: Sequence[str], title: str
) -> list[dict[str, Any]]:
    """``rows`` (by ascending id) with one row in place of those of ``group``; points ``new_ids`` to it."""
    _refuse_unknown(group, rows, "merge", title)
    members = {row["id"] for row in rows if row["name"] in group}
    lowest = min(members)
    for old, new in new_ids.items():
        new_ids[old] = lowest if new in members else new
    return [
        {**row, "name": name} if row["id"] == lowest else row
        for row in rows
        if row["id"] == lowest or row["id"] not in members
    ]


def _keep(
    rows: list[dict[str, Any]], new_ids: dict[int, int], names: Sequence[str], title: str, renumber: bool
) -> list[dict[str, Any]]:
    """The rows of ``names``, in that order, with ids from 1 if theirs do not ascend; makes ``new_ids`` agree."""
    _refuse_unknown(names, rows, "keep", title)
    by_name = {row["name"]: row for row in rows}
    ids = [by_name[name]["id"] for name in names]
    renumber = renumber or ids != sorted(ids)
    numbers = {key: number if renumber else key for number, key in enumerate(ids, start=1)}
    for old, new in list(new_ids.items()):
        if new in numbers:
            new_ids[old] = numbers[new]
        else:
            del new_ids[old]
    return [{**by_name[name], "id": numbers[key]} for name, key in zip(names, ids, strict=True)]


def _refuse_unknown(names: Iterable[str], rows: Table, verb: str, title: str) -> None:
    known = [row["name"] for row in rows]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise DatasetError(f"{title} has no {_classes(unknown)} to {verb}; its classes are {', '.join(known)}.")


def _refuse_repeated_names(rows: Table, title: str) -> None:
    repeated = [name for name, count in Counter(row["name"] for row in rows).items() if count > 1]
    if repeated:
        raise DatasetError(
            f"{title} would have several classes of the name {repeated[0]!r}: merge them into one, or rename one."
        )


def _classes(names: Sequence[str]) -> str:
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(names)}"


def _used_ids(coco: Mapping[str, Any]) -> set[int]:
    return {row["category_id"] for row in coco.get("annotations", [])}


def _key(row: Mapping[str, Any]) -> Key:
    return row["id"], row["name"]


def _is_texts(values: Any) -> bool:
    return all(isinstance(value, str) and value for value in values)


def _is_names(values: Any) -> bool:
    """A list of one name or more, each once."""
    return isinstance(values, (list, tuple)) and bool(values) and _is_texts(values) and len(set(values)) == len(values)
