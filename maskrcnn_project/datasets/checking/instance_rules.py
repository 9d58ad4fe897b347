"""The rules on boxes and masks, in the order of the page."""

from maskrcnn_project.datasets.checking.rule import Rule

INSTANCE_RULES = (
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
    # Boxes and masks in two frames, in most rows of a file.
    Rule(
        "boxes-normalised",
        "error",
        "boxes between 0 and 1, in most rows: shares of the image's size",
        "write pixels",
        fixes="multiplied by the image's size",
    ),
    Rule(
        "polygons-normalised",
        "error",
        "polygons between 0 and 1, in most rows: shares of the image's size",
        "write pixels",
        fixes="multiplied by the image's size",
    ),
    Rule(
        "boxes-swapped",
        "error",
        "boxes written as [y, x, height, width], in most rows",
        "write [x, y, width, height]",
        fixes="swapped back",
    ),
    Rule(
        "polygons-swapped",
        "error",
        "polygons written as [y, x, ...], in most rows",
        "write [x, y, ...]",
        fixes="swapped back",
    ),  # fmt: skip
    Rule(
        "rle-row-major",
        "error",
        "run lengths that go along the rows, in most rows: COCO's go along the columns",
        "encode the masks again (numpy.asfortranarray)",
        fixes="transposed",
    ),
    Rule(
        "axes-differ",
        "error",
        "boxes and masks of which one has x and y exchanged, in most rows; which, cannot be told",
        "look at some (tools/visualize_data.py), and exchange them in the one that is wrong",
    ),
    Rule(
        "scale-differs",
        "error",
        "boxes and masks that differ by one factor, in most rows: those of pictures of two sizes",
        "look at some (tools/visualize_data.py), and bring the one that is wrong to the size of the images",
    ),
    # Masks.
    Rule(
        "mask-missing",
        "error",
        "annotations without a mask",
        "draw the mask, or remove the annotation; or train boxes only (MODEL.MASK_ON False)",
    ),
    Rule(
        "mask-malformed",
        "error",
        "segmentations that are neither polygons nor run lengths",
        'write [[x, y, ...]] or {"size", "counts"}',
        fixes="pairs of points, one list too many and lists of run lengths are unwrapped; otherwise the annotation is "
        "removed",
    ),
    Rule(
        "polygon-flat", "error", "polygons written as one flat list", "write [[x, y, ...]]", fixes="wrapped in a list"
    ),
    Rule(
        "polygon-short",
        "error",
        "masks of nothing but polygons of fewer than three points, or with an odd number of values",
        "draw the mask anew, or remove the annotation",
        fixes="points written one by one are joined; otherwise the annotation is removed",
    ),
    Rule(
        "polygon-part-short",
        "warning",
        "polygons of fewer than three points, or with an odd number of values, beside good ones",
        "nothing: training leaves these parts out; look whether something is missing",
        fixes="the part is removed",
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
        fixes="the text of Python bytes is unwrapped; otherwise the annotation is removed",
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
)
