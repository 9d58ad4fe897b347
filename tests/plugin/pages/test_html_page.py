from html.parser import HTMLParser

import pytest

from maskrcnn_project.pages import html_page as page

EVIL = '<script>alert("x")</script>&\x00\ud800'
HARMLESS = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;\ufffd\ufffd"
VOID = {"meta", "img", "br"}


class Structure(HTMLParser):
    """Fails on tags that are closed in another order than they were opened; collects tags and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def structure(html):
    parser = Structure()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


BLOCKS = {
    "heading": lambda text: page.heading(text),
    "paragraph": lambda text: page.paragraph(text),
    "badge": lambda text: page.badge(text, "error"),
    "code": lambda text: page.code(text),
    "details": lambda text: page.details(text, text),
    "facts": lambda text: page.fact_list([(text, text)]),
    "table": lambda text: page.table((text,), [(text,)]),
    "caption": lambda text: page.figure(page.Html("<b></b>"), text),
    "legend": lambda text: page.legend({text: "red"}),
    "shot": lambda text: page.gallery([page.shot([page.picture(b"", text)], text)]),
    "shaded": lambda text: page.shaded_table(text, [text], [(text, [(text, "rgba(0,0,0,0.5)")])]),
    "alt": lambda text: page.picture(b"", text),
    "section": lambda text: page.section(text, text),
    "joined": lambda text: page.join([text, text]),
    "page": lambda text: page.page(text, text, [page.section(text, text)], generator=text),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_text_cannot_become_markup(name):
    html = BLOCKS[name](EVIL)
    assert "<script" not in html and HARMLESS in html
    html.encode("utf-8")  # what half a surrogate pair would prevent
    structure(html)


def test_html_is_not_escaped_again():
    assert page.paragraph(page.Html("<b>x</b>")) == "<p><b>x</b></p>"
    assert page.paragraph("a & b") == "<p>a &amp; b</p>"


def test_a_page_links_its_sections_and_loads_nothing():
    html = page.page("T", "lead", [page.section("A & B", "x"), page.section("Far away", "y")], generator="g")
    found = structure(html)
    ids = [value for key, value in found.attributes if key == "id"]
    assert [value for key, value in found.attributes if key == "href"] == [f"#{place}" for place in ids]
    assert ids == ["a-b", "far-away"]
    assert not {"script", "link", "iframe"} & set(found.tags)
    assert "http" not in html.replace("http-equiv", "")
    assert "default-src 'none'" in dict(found.attributes)["content"] or "default-src &#x27;none&#x27;" in html


def test_a_table_sets_numbers_to_the_right():
    html = page.table(("class", "count"), [("nut", 3)])
    assert '<tr><td>nut</td><td class="number">3</td></tr>' in html


def test_a_picture_is_inside_the_page():
    assert page.picture(b"abc", "three letters", kind="png") == (
        '<img src="data:image/png;base64,YWJj" alt="three letters">'
    )


def test_generator_of():
    assert page.generator_of(page.page("T", "l", [], generator="a <tool>")) == "a <tool>"
    assert page.generator_of("<html><meta name=generator content=x>") is None


def test_only_an_earlier_page_of_the_same_tool_is_written_over_and_only_by_force(tmp_path):
    path = tmp_path / "p.html"
    page.refuse_output(path, "mine", force=False)
    path.write_text(page.page("T", "l", [], generator="mine"), "utf-8")
    page.refuse_output(path, "mine", force=True)
    with pytest.raises(ValueError, match="add --force"):
        page.refuse_output(path, "mine", force=False)
    with pytest.raises(ValueError, match="no page of this tool"):
        page.refuse_output(path, "another", force=True)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="no page of this tool"):
        page.refuse_output(path, "mine", force=True)
    with pytest.raises(ValueError, match="no page of this tool"):
        page.refuse_output(tmp_path, "mine", force=True)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        page.refuse_output(tmp_path / "none" / "p.html", "mine", force=True)


def test_a_shot_holds_each_picture_once_and_opens_at_a_click():
    html = page.shot([page.picture(b"left", "truth", size=(30, 20)), page.picture(b"right", "found")], "an image")
    tags = structure(html)
    assert tags.tags[:2] == ["details", "summary"] and tags.tags.count("img") == 2
    assert ("width", "30") in tags.attributes and ("style", "max-width:min(100%,30px)") in tags.attributes


def test_the_ground_of_a_cell_is_its_own():
    html = page.shaded_table("", ["a", "b"], [("row", [(1, "rgba(1,2,3,0.50)"), (2, "")])])
    assert '<td style="background:rgba(1,2,3,0.50)">1</td><td>2</td>' in html
