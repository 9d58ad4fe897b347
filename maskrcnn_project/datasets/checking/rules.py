"""Every rule of the check: a stable id, how bad it is to break it, what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass

# error: training would stop, or learn something false. warning: likely a mistake. note: good to know.
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Rule:
    """``quick`` rules read the JSON and the folder's listing only; the others decode images or masks."""

    id: str
    severity: str
    title: str  # what is found, as a phrase
    advice: str  # what to do, as a phrase
    quick: bool = True
    fixes: str = ""  # what ``--fix`` does; empty: nothing


def _rules(*rules: Rule) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules}


RULES = _rules(
    # The tables of the file.
    Rule(
        "row-malformed",
        "error",
        "rows without a usable id, name, size or reference",
        "write the row anew, or remove it",
        fixes="numbers written as text are written as numbers; otherwise the row is removed",
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
        "image-duplicate",
        "warning",
        "different files with the same picture",
        "keep one: the same picture on both sides of a split makes the validation too good",
        quick=False,
    ),
    # Boxes, [x, y, width, height].
    Rule(
        "box-malformed",
        "error",
        "boxes that are not four finite numbers",
        "write [x, y, width, height]",
        fixes="the box of the mask is written; without a mask the annotation is removed",
    ),
    Rule(
        "box-empty",
        "error",
        "boxes of no width or height",
        "remove the annotation",
        fixes="the box of the mask is written; without one the annotation is removed",
    ),
    Rule(
        "box-outside",
        "warning",
        "boxes that reach beyond their image",
        "clip them",
        fixes="the box is clipped; wholly outside, as one that is empty",
    ),
    Rule(
        "box-corners",
        "error",
        "boxes that seem written as [x1, y1, x2, y2]",
        "write [x, y, width, height]",
        fixes="width and height are computed from the corners",
    ),
    Rule(
        "box-mask-differ",
        "warning",
        "boxes that are not the box of their mask",
        "write the box of the mask",
        fixes="the box of the mask is written",
    ),
    # Masks.
    Rule("mask-missing", "warning", "annotations without a mask", "draw the mask, or remove the annotation"),
    Rule(
        "mask-malformed",
        "error",
        "segmentations that are neither polygons nor run lengths",
        'write [[x, y, ...]] or {"size", "counts"}',
        fixes="the annotation is removed",
    ),
    Rule(
        "polygon-flat", "error", "polygons written as one flat list", "write [[x, y, ...]]", fixes="wrapped in a list"
    ),
    Rule(
        "polygon-short",
        "error",
        "polygons of fewer than three points, or with an odd number of values",
        "remove them",
        fixes="the polygon is removed, and the annotation with its last one",
    ),
    Rule(
        "polygon-not-finite",
        "error",
        "polygons with NaN or infinite values",
        "write finite numbers",
        fixes="the point is removed",
    ),
    Rule(
        "polygon-crossing",
        "warning",
        "polygons that cross themselves",
        "draw them without crossing",
        quick=False,
        fixes="parted at the crossings, with the same area under the even-odd rule",
    ),
    Rule(
        "mask-outside", "warning", "polygons that reach beyond their image", "clip them", fixes="clipped to the image"
    ),
    Rule(
        "rle-size",
        "error",
        "run lengths of another size than their image",
        "encode the mask at the size of the image",
        fixes="the annotation is removed",
    ),
    Rule(
        "rle-malformed",
        "error",
        "run lengths that do not fill their size or cannot be read",
        "encode the mask again",
        quick=False,
        fixes="the annotation is removed",
    ),
    Rule(
        "rle-uncompressed",
        "note",
        "run lengths as lists of numbers",
        "nothing: they are read too, though slower",
        fixes="compressed",
    ),
    Rule(
        "rle-all-crowd",
        "error",
        "masks all marked iscrowd, as some tools mark all run lengths: training would see nothing",
        "set iscrowd to 0 where the mask is one object",
        fixes="iscrowd is set to 0",
    ),
    Rule(
        "masks-all-boxes",
        "warning",
        "masks that are upright rectangles, nearly all of them: probably drawn from boxes",
        "export the outlines, or annotate them: from rectangles the model learns to draw rectangles",
    ),
    Rule(
        "mask-empty",
        "error",
        "masks without a pixel",
        "remove the annotation",
        quick=False,
        fixes="the annotation is removed",
    ),
    Rule(
        "mask-full",
        "warning",
        "masks that cover their whole image",
        "check that an object, and not the background, was annotated",
        quick=False,
    ),
    Rule(
        "mask-parts",
        "warning",
        "masks of several parts far from each other: several objects in one",
        "annotate each object by itself",
        quick=False,
    ),
    Rule(
        "instance-duplicate",
        "warning",
        "instances annotated more than once (same class, nearly the same mask)",
        "keep one",
        quick=False,
        fixes="the later ones are removed",
    ),
    Rule(
        "area-wrong",
        "warning",
        "areas that are not those of the mask",
        "write the area of the mask: the small, medium and large AP depend on it",
        quick=False,
        fixes="the area of the mask is written",
    ),
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
)
