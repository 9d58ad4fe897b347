"""Letters of any script: drawn with a font that has them, else written by their numbers, and never as an empty box."""

from pathlib import Path

import matplotlib
import pytest
from fontTools.ttLib import TTFont
from PIL import ImageFont

from maskrcnn_project.visualization import fonts
from maskrcnn_project.visualization.fonts import OWN_FONT, runs_of

OTHERS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
DOUBLE = "\U0001d538"  # a mathematical letter
SCRIPTS = {
    "Latin": "cell 97%",
    "Greek and Cyrillic": "κύτταρο ядро",
    "Chinese": "细胞核 3%",
    "Japanese": "かくカク核",
    "Korean": "세포핵",
    "Hindi": "केन्द्रक",
    "Thai": "นิวเคลียส",
    "Arabic": "نواة",
    "emoji": "🦋 👩\u200d🔬 ❤\ufe0f",
    "private": "\ue000",
    "half a pair": "\ud83e",
    "control letters": "a\nb\tc\x00d",
    "no letter at all": "\U0010ffff",
    "nothing": "",
}


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """A function that says which fonts are installed; from the start, those of this machine are."""

    def install(*paths):
        monkeypatch.setattr(fonts, "findSystemFonts", lambda: [str(path) for path in paths])
        forget()

    def forget():
        for cached in (fonts.system_fonts, fonts._font_with, fonts._tell_missing):
            cached.cache_clear()

    forget()
    yield install
    monkeypatch.undo()
    forget()


def text_of(runs):
    return "".join(part for _, part in runs)


def bitmap(font, letter):
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


@pytest.mark.parametrize("none", [False, True])
@pytest.mark.parametrize("script", SCRIPTS)
def test_no_letter_is_drawn_as_the_sign_of_a_missing_one(installed, script, none):
    if none:
        installed()
    for font, part in runs_of(SCRIPTS[script], 24):
        table = TTFont(font.path, fontNumber=0)
        missing = ImageFont.truetype(font.path, 24)
        for letter in part:
            assert ord(letter) in table.getBestCmap(), f"{font.path} has no U+{ord(letter):04X}"
            if letter.strip():
                assert bitmap(font, letter) != bitmap(missing, "\U0010ffff"), f"U+{ord(letter):04X} is a box"


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("细胞核 3%", "U+7EC6 U+80DE U+6838 3%"),
        ("🦋", "U+1F98B"),
        ("a🦋b", "a U+1F98B b"),
        ("🦋\ufe0f 👩\u200d🔬", "U+1F98B U+1F469 U+1F52C"),
        ("\ud83e", "U+D83E"),
        ("a\x00", "a U+0000"),
        ("a\nb", "a b"),
        ("two  spaces", "two  spaces"),
        ("", ""),
    ],
)
def test_letters_that_no_font_has_are_written_by_their_numbers(installed, text, drawn):
    installed()
    assert text_of(runs_of(text, 14)) == drawn


def test_it_is_told_once_which_letters_no_font_has(installed, caplog):
    installed()
    for score in ("97%", "98%"):
        runs_of(f"细细胞 {score}", 14)
    (record,) = caplog.records
    assert "has the letters U+7EC6, U+80DE of a label" in record.getMessage()
    assert "install" in record.getMessage()


def test_a_letter_comes_from_an_installed_font_that_has_it(installed, tmp_path):
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    installed(tmp_path / "damaged.ttf", tmp_path / "gone.ttf", OTHERS / "STIXGeneral.ttf")
    letter = "\u20dd"
    assert ord(letter) not in TTFont(OWN_FONT).getBestCmap()
    runs = runs_of(f"a{letter}b", 20)
    assert [(Path(font.path).name, part) for font, part in runs] == [
        ("DejaVuSans.ttf", "a"),
        ("STIXGeneral.ttf", letter),
        ("DejaVuSans.ttf", "b"),
    ]


def test_a_font_of_boxes_for_everything_is_not_asked(installed):
    boxes = OTHERS / "LastResortHE-Regular.ttf"
    if not boxes.is_file():
        pytest.skip("this matplotlib brings no font of last resort")
    installed(boxes)
    assert text_of(runs_of("细", 14)) == "U+7EC6"


def test_fonts_with_many_letters_are_asked_first(installed):
    installed(
        "/x/Zapf.ttf", "/x/DejaVuSans-Bold.ttf", "/x/LastResort.otf", "/x/NotoSansCJK-Regular.ttc", "/x/wqy-zenhei.ttc"
    )
    assert [Path(path).stem for path in fonts.system_fonts()] == [
        "NotoSansCJK-Regular",
        "wqy-zenhei",
        "DejaVuSans-Bold",
        "Zapf",
    ]
