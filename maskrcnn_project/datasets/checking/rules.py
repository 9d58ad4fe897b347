"""Every rule of the check: a stable id, how bad it is to break it, what it means and what to do."""

from __future__ import annotations

from maskrcnn_project.datasets.checking.instance_rules import INSTANCE_RULES
from maskrcnn_project.datasets.checking.rule import Rule
from maskrcnn_project.datasets.coco_rows import TEST_LONG_EDGE, TEST_SHORT_EDGE


def _rules(*rules: Rule) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules}


RULES = _rules(
    # The tables of the file.
    Rule(
        "table-empty",
        "error",
        "tables without a row",
        "there is nothing to learn from: name the file that has them",
    ),
    Rule(
        "values-tidied",
        "note",
        "values written otherwise than COCO wants, with one meaning only",
        "nothing: they are read as they are meant",
    ),
    Rule(
        "row-malformed",
        "error",
        "rows without a usable id, name, size or reference",
        "write the row anew, or remove it",
        fixes="ids and their references are numbered anew, sizes are measured, names written as text; what refers to "
        "nothing is removed",
    ),
    Rule(
        "image-id-repeated",
        "error",
        "image ids that occur more than once",
        "give every image an id of its own",
        fixes="the same file: one entry; other files: new ids, their annotations stay with the first",
    ),
    Rule(
        "annotation-id-repeated",
        "error",
        "annotation ids that occur more than once",
        "number the annotations anew",
        fixes="the later ones get new ids",
    ),
    Rule(
        "category-id-repeated",
        "error",
        "category ids that occur more than once",
        "give every category an id of its own",
    ),
    Rule(
        "category-name-repeated",
        "error",
        "names shared by several categories",
        "give every category a name of its own, or merge them",
    ),
    Rule(
        "category-name-case",
        "warning",
        "names that differ in upper and lower case only",
        "give one class one name, if it is one (keep_classes and merge_classes of the description)",
    ),
    Rule(
        "file-repeated",
        "warning",
        "image files listed under several image ids",
        "list each file once",
        fixes="the entries become one with all annotations",
    ),
    Rule(
        "image-unknown",
        "error",
        "annotations of images that the file does not list",
        "add the image or remove the annotation",
        fixes="the annotation is removed",
    ),
    Rule(
        "category-unknown",
        "error",
        "annotations of categories that the file does not list",
        "add the category or remove the annotation",
        fixes="the annotation is removed",
    ),
    Rule(
        "category-unused",
        "warning",
        "categories without an instance",
        "annotate some, or leave the category out (classes in the description)",
    ),
    Rule(
        "category-root",
        "note",
        "a root category that an exporter added: it is the supercategory of others and owns nothing",
        "nothing: it is dropped when the set is registered (keep_root_category keeps it)",
        fixes="the category is removed",
    ),
    Rule(
        "key-missing",
        "note",
        "annotations without an optional key (iscrowd, area)",
        "nothing: the default is taken",
        fixes="iscrowd 0 and the area of the mask are written",
    ),
    Rule(
        "crowd-malformed",
        "error",
        "iscrowd values other than 0 and 1: training takes them for crowds and leaves them out",
        "write 0 for an object, 1 for a crowd",
        fixes="what reads as 1 is written as 1, everything else as 0",
    ),
    # The files of the images.
    Rule(
        "image-missing",
        "error",
        "images that are not in the folder",
        "check --images, or remove the entries",
        fixes="the only file of that name in the folder is named; otherwise the image and its annotations are removed",
    ),
    Rule(
        "image-thin",
        "error",
        f"images so thin that they round to no pixel at the test size {TEST_SHORT_EDGE}/{TEST_LONG_EDGE}",
        "cut them into tiles, or remove them",
        fixes="the image and its annotations are removed",
    ),
    Rule(
        "image-unlisted",
        "note",
        "image files in the folder that the JSON does not mention",
        "nothing, if they are meant for later: an image without objects should be listed too",
    ),
    Rule(
        "image-unreadable",
        "error",
        "files that cannot be decoded",
        "replace the file",
        quick=False,
        fixes="the image and its annotations are removed",
    ),
    Rule(
        "image-truncated",
        "error",
        "files that end before the picture does",
        "copy or download the file again",
        quick=False,
        fixes="the image and its annotations are removed",
    ),
    Rule(
        "image-size",
        "error",
        "images whose size is not the one in the JSON",
        "find out which of the two the annotations were made for",
        quick=False,
        fixes="the size of the file is written where every annotation lies within it",
    ),
    Rule(
        "image-exif",
        "warning",
        "images that a camera marked as turned",
        "if the annotations were made on the picture as stored, remove the EXIF orientation from the files",
        quick=False,
    ),
    Rule(
        "image-deep",
        "note",
        "images of more than 8 bits per value (16 bits, floats)",
        "nothing: training measures which values become 0 and 255, prints it, and keeps it (INPUT.RANGE)",
        quick=False,
    ),
    Rule(
        "image-pages",
        "note",
        "images that are stacks of pages",
        "nothing, if it is the first page that was annotated; else name it (INPUT.PAGE, and --page here, from 0)",
        quick=False,
    ),
    Rule(
        "image-pages-differ",
        "warning",
        "stacks of another number of pages than most: the page that is wanted may be another, or not there",
        "look at them; INPUT.PAGE names one page for all",
        quick=False,
    ),
    Rule(
        "image-duplicate",
        "warning",
        "different files with the same picture",
        "keep one: the same picture on both sides of a split makes the validation too good",
        quick=False,
    ),
    *INSTANCE_RULES,
    # All of a set at once.
    Rule(
        "image-too-crowded",
        "warning",
        "images with more instances than the model may detect",
        "raise TEST.DETECTIONS_PER_IMAGE",
    ),
    Rule(
        "images-few", "warning", "fewer images than the advised 500", "annotate more, or take the recipe for small sets"
    ),
    Rule("instances-few", "warning", "classes with fewer than the advised 1,000 instances", "annotate more of them"),
    Rule(
        "class-imbalance",
        "warning",
        "classes that are far rarer than the most frequent one",
        "annotate more, or see them more often (DATALOADER.SAMPLER_TRAIN RepeatFactorTrainingSampler)",
    ),
    Rule(
        "images-without-objects",
        "note",
        "images without an instance",
        "nothing: they are left out of training unless DATALOADER.FILTER_EMPTY_ANNOTATIONS is False",
    ),
    # Train against val.
    Rule(
        "categories-differ",
        "error",
        "train and val disagree on the ids, names or order of the categories",
        "write the same list into both files",
    ),
    Rule("image-in-both", "error", "the same picture in train and val", "remove it from one of them", quick=False),
    Rule(
        "image-alike",
        "warning",
        "pictures of val that are nearly the same as one of train: saved again, or taken of one scene",
        "keep what belongs together in one of them: else the validation is too good",
        quick=False,
    ),
    Rule(
        "annotations-in-both",
        "warning",
        "images of val with the very annotations of an image of train: probably one photograph, saved twice",
        "remove it from one of them",
    ),
)

# Of these nobody can tell which of two is wrong, so that nothing may be built on either.
UNDECIDED_RULES = frozenset(("axes-differ", "scale-differs", "mirror-differs", "rows-differ", "annotations-shifted"))
