import pytest

from maskrcnn_project.inference.overlap import POLICIES
from maskrcnn_project.prediction.arguments import DEFAULT_FORMATS, OVERLAP_POLICIES, check_arguments, prediction_parser


def checked(*arguments):
    args = prediction_parser().parse_args(["--input", "a.png", *arguments])
    check_arguments(args)
    return args


def test_what_is_not_given():
    args = checked("--run", "r")
    assert (args.write, args.tile, args.tile_overlap, args.batch_size, args.score_threshold) == (
        DEFAULT_FORMATS,
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--write", "coco, drawn"], ("drawn", "coco")),
        (["--write", "instances"], ("instances",)),
        (["--no-pictures"], ("coco", "measurements")),
    ],
)
def test_what_is_written(given, expected):
    assert checked("--run", "r", *given).write == expected


def test_tiles_overlap_by_a_quarter():
    assert checked("--run", "r", "--tile", "1024").tile_overlap == 256
    assert checked("--run", "r", "--tile", "1024", "--tile-overlap", "0").tile_overlap == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "Give either --run DIR"),
        (["--run", "r", "--config-file", "c"], "Give either --run DIR"),
        (["--run", "r", "--write", "drawn,svg"], "--write takes drawn, .*, but 'svg' was given"),
        (["--run", "r", "--tile-overlap", "9"], "--tile-overlap is of tiles: give their size"),
        (["--run", "r", "--tile", "9", "--tile-overlap", "9"], "but 9 and 9 were given"),
        (["--run", "r", "--batch-size", "0"], "--batch-size should be 1 or more, but 0 was given"),
        (["--run", "r", "--workers", "-1"], "--workers should be 1 or more, but -1"),
        (["--run", "r", "--polygon-tolerance", "2"], "add labelme to --write"),
        (["--run", "r", "--unit", "um"], "--unit um is of --pixel-size"),
        (["--run", "r", "--write", "drawn", "--no-pictures"], "--no-pictures leaves nothing of --write"),
        (["--run", "r", "--score-threshold", "0.3", "PREDICT.SCORE_THRESHOLD", "0.1"], "say two things"),
        (["--run", "r", "--write", "labelme", "--polygon-tolerance", "-1"], "--polygon-tolerance should be 0 or more"),
        (["--run", "r", "--pixel-size", "nan"], "--pixel-size should be more than 0, but nan"),
        (["--run", "r", "--unit", "um,"], "--unit should be letters"),
    ],
)
def test_what_is_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        checked(*given)


def test_the_overlap_policies_are_those_that_exist():
    assert OVERLAP_POLICIES == POLICIES
