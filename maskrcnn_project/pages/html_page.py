"""
Blocks of a page that is one file: no network, no scripts, pictures inside. For reports on datasets and on runs.

Each function returns ``Html``. Everything else that is put into a block is text and is escaped on its way in, so
names from strangers' files cannot become markup.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# A second fence round the page: even markup that got in could load and run nothing.
CONTENT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# What text may not hold in HTML: the control characters (but tab and newline), and halves of surrogate pairs.
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
SECTION_TITLE = re.compile(r'^<section id="([^"]*)">\n<h2>([^<]*)</h2>')
HEAD_BYTES = 1000  # the generator stands within them
STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5c6873; --line: #d9dee3; --ground: #ffffff;
  --panel: #f5f7f9; --first: #2a6f97; --second: #e09f3e; --third: #55833f; --fourth: #8a4fd0;
  --fifth: #c1443c; --sixth: #12908e; --seventh: #8d6e63; --eighth: #cc4f8c;
  --error: #b3261e; --warning: #8a5a00; --note: #41617a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #9aa6b2; --line: #37414b; --ground: #14191e;
  --panel: #1d242b; --first: #6fb1d9; --second: #e8b464; --third: #9ccc7a; --fourth: #c4a3f5;
  --fifth: #f28b82; --sixth: #63d2d2; --seventh: #bcaaa4; --eighth: #f0a0c8;
  --error: #ff8a80; --warning: #f2c14e; --note: #8fb4d1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 70rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
a { color: var(--first); }
p { max-width: 48rem; margin: .5rem 0; }
nav a { margin-right: 1rem; white-space: nowrap; }
table { border-collapse: collapse; margin: .75rem 0; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: break-word; }
th { color: var(--soft); font-weight: 600; }
.number { text-align: right; }
.wide { overflow-x: auto; }
pre { background: var(--panel); padding: .75rem 1rem; overflow-x: auto; font-size: .85rem; border-radius: .4rem; }
figure { margin: .75rem 0; }
figcaption { color: var(--soft); font-size: .85rem; }
figure svg { display: block; width: 100%; height: auto; }
figure img { max-width: 100%; height: auto; border: 1px solid var(--line); }
.row { display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: flex-start; }
.row > figure { flex: 1 1 26rem; min-width: 0; max-width: 36rem; }
.row > figure.small { flex: 0 1 17rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.facts div { background: var(--panel); border-radius: .4rem; padding: .6rem .8rem; }
.facts > div > b { display: block; font-size: 1.3rem; font-weight: 600; }
.facts > div > span { color: var(--soft); font-size: .85rem; }
.error { color: var(--error); } .warning { color: var(--warning); } .note { color: var(--note); }
.badge { font-weight: 600; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .5rem 0; padding: 0;
  font-size: .85rem; }
.legend i { display: inline-block; width: 1.1em; height: .8em; margin-right: .4em; border-radius: .15em;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1rem;
  margin: 1rem 0; align-items: start; }
.shot > summary { list-style: none; cursor: zoom-in; }
.shot > summary::-webkit-details-marker { display: none; }
.shot > summary:focus-visible { outline: 3px solid var(--first); outline-offset: 2px; }
.shot .side { display: flex; gap: .25rem; align-items: flex-start; }
.shot .side img { flex: 1 1 0; min-width: 0; height: auto; }
.shot .said { display: block; color: var(--soft); font-size: .85rem; }
@media screen { html:has(.shot[open]) { overflow: hidden; }
  .shot[open] > summary { position: fixed; inset: 0; z-index: 9; overflow: auto; padding: 1rem;
    background: var(--ground); cursor: zoom-out; }
  .shot[open] .side { flex-wrap: wrap; justify-content: center; }
  .shot[open] .side img { flex: 1 1 min(100%, 20rem); } }
.shaded td, .shaded th { padding: .25rem .6rem; border: 1px solid var(--line); }
.shaded td { text-align: right; }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --ground: #fff; --panel: #f3f3f3;
  --first: #2a6f97; --second: #c47f1a; --third: #55833f; --fourth: #8a4fd0;
  --fifth: #c1443c; --sixth: #12908e; --seventh: #8d6e63; --eighth: #cc4f8c;
  --error: #b3261e; --warning: #8a5a00; --note: #41617a; }
  body { max-width: none; padding: 0; font-size: .85rem; } nav { display: none; }
  figure, tr, .facts div { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""


class Html(str):
    """Markup, made by the functions here. A plain ``str`` is text."""


def escape(content: Any) -> Html:
    """``content`` as it enters a page or an attribute: Html as it is, anything else as text."""
    if isinstance(content, Html):
        return content
    return Html(html.escape(FORBIDDEN.sub("\ufffd", str(content))))


def join(blocks: Iterable[Any], between: str = "\n") -> Html:
    """Blocks one after the other; ``between`` is markup."""
    return Html(between.join(escape(block) for block in blocks))


def page(title: Any, lead: Any, sections: Sequence[Html], *, generator: str) -> Html:
    """
    A whole page.

    Args:
        lead: what stands under the title.
        sections: what ``section`` made; the contents are taken from their titles.
        generator: the name of the tool, by which it knows its own earlier output (see ``generator_of``).
    """
    links = [f'<a href="#{place}">{title}</a>' for block in sections for place, title in SECTION_TITLE.findall(block)]
    return Html(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="generator" content="{escape(generator)}">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(CONTENT_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>\n{paragraph(lead)}\n<nav>{''.join(links)}</nav></header>\n"
        f"<main>\n{join(sections)}\n</main>\n</body>\n</html>\n"
    )


def refuse_output(path: Path, generator: str, force: bool) -> None:
    """
    Raises ValueError where a page at ``path`` would write over something: always over what the same ``generator`` has
    not made, without ``force`` over its own earlier page as well. Raises FileNotFoundError where there is no folder.
    """
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"The folder {path.absolute().parent} does not exist: make it, or write {path.name} elsewhere."
        )
    if not path.exists():
        return
    head = path.open("rb").read(HEAD_BYTES).decode("utf-8", "replace") if path.is_file() else ""
    if generator_of(head) != generator:
        raise ValueError(f"{path} exists and is no page of this tool, so it is left alone: choose another --output.")
    if not force:
        raise ValueError(f"{path} exists: add --force to write it anew, or choose another --output.")


def generator_of(text: str) -> str | None:
    """The ``generator`` of a page that ``page`` made, from its text or the beginning of it; None for anything else."""
    found = re.match('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" '
                     'content="([^"]*)">', text)  # fmt: skip
    return html.unescape(found[1]) if found else None


def section(title: str, *blocks: Any) -> Html:
    """A part of the page under a title, which is also the name of its link."""
    place = re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
    return Html(f'<section id="{place}">\n<h2>{escape(title)}</h2>\n{join(blocks)}\n</section>')


def heading(content: Any) -> Html:
    """A title within a section."""
    return Html(f"<h3>{escape(content)}</h3>")


def paragraph(content: Any) -> Html:
    return Html(f"<p>{escape(content)}</p>")


def badge(word: Any, kind: str) -> Html:
    """A word in the colour of its kind: "error", "warning" or "note"."""
    return Html(f'<span class="badge {kind}">{escape(word)}</span>')


def code(text: Any) -> Html:
    """Text to copy, as it is."""
    return Html(f"<pre><code>{escape(text)}</code></pre>")


def details(summary: Any, *blocks: Any) -> Html:
    """Blocks that are hidden until ``summary`` is clicked."""
    return Html(f"<details><summary>{escape(summary)}</summary>\n{join(blocks)}\n</details>")


def fact_list(pairs: Iterable[tuple[Any, Any]]) -> Html:
    """(value, what it is) as a grid of tiles."""
    tiles = [f"<div><b>{escape(value)}</b><span>{escape(meaning)}</span></div>" for value, meaning in pairs]
    return Html(f'<div class="facts">{"".join(tiles)}</div>')


def legend(colours: Mapping[str, str]) -> Html:
    """What each colour means: name -> a CSS colour, which is markup."""
    entries = "".join(f'<li><i style="background:{ink}"></i>{escape(name)}</li>' for name, ink in colours.items())
    return Html(f'<ul class="legend">{entries}</ul>')


def shot(pictures: Sequence[Html], caption: Any) -> Html:
    """
    Pictures (see ``picture``) side by side, small; a click shows them as large as the window, another one closes them.
    The same pictures serve for both, so the page holds each once.
    """
    return Html(
        f'<details class="shot"><summary><span class="side">{"".join(pictures)}</span>'
        f'<span class="said">{escape(caption)}</span></summary></details>'
    )


def gallery(shots: Sequence[Html]) -> Html:
    """Several ``shot``, as many in a row as the page is wide."""
    return Html(f'<div class="gallery">{join(shots)}</div>')


def shaded_table(corner: Any, heads: Sequence[Any], rows: Iterable[tuple[Any, Sequence[tuple[Any, str]]]]) -> Html:
    """
    A matrix whose cells have a ground of their own.

    Args:
        corner: stands over the names of the rows.
        heads: names of the columns.
        rows: (name, cells); a cell is (content, CSS colour of its ground, which is markup; "" for none).
    """

    def cell(content: Any, ground: str) -> str:
        style = f' style="background:{ground}"' if ground else ""
        return f"<td{style}>{escape(content)}</td>"

    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in (corner, *heads))
    body = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(cell(*each) for each in cells)}</tr>' for name, cells in rows
    )
    return Html(
        f'<div class="wide"><table class="shaded">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>'
        "</table></div>"
    )


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], *, texts: int = 1) -> Html:
    """
    Args:
        head: one title for each column.
        texts: so many first columns hold text; the others hold numbers and are set to the right.
    """

    def line(tag: str, cells: Sequence[Any]) -> str:
        kinds = ["" if column < texts else ' class="number"' for column in range(len(cells))]
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))

    body = "\n".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return Html(
        f'<div class="wide"><table>\n<thead><tr>{line("th", head)}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def figure(content: Html, caption: Any = "", *, small: bool = False) -> Html:
    """A chart or a picture with what it shows; ``small`` ones stand closer together in a ``row``."""
    kind = ' class="small"' if small else ""
    said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Html(f"<figure{kind}>{content}{said}</figure>")


def row(*figures: Html) -> Html:
    """Figures side by side, as far as the page is wide."""
    return Html(f'<div class="row">{join(figures)}</div>')


def picture(data: bytes, alt: Any, *, kind: str = "jpeg", size: tuple[int, int] | None = None) -> Html:
    """
    An image file's bytes, inside the page.

    Args:
        alt: what it shows, in words.
        kind: "jpeg" or "png".
        size: (width, height) in pixels, beyond which it is never enlarged.
    """
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    bounds = f' width="{size[0]}" height="{size[1]}" style="max-width:min(100%,{size[0]}px)"' if size else ""
    return Html(f'<img src="{source}" alt="{escape(alt)}"{bounds}>')
