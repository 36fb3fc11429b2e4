"""The text of HTML, as catalogs hold it: tags go, and all else in angle brackets stays."""

from __future__ import annotations

import html
from html.parser import HTMLParser

# The elements that catalogs use. <1642>, <unknown> and <Rembrandt> are none of them.
_INLINE = (
    *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i"),
    *("img", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub"),
    *("sup", "tt", "u", "var", "wbr"),
)
_BLOCKS = (
    *("blockquote", "br", "center", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("hr", "li", "ol", "p", "pre", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
)


def plain_text(markup: str) -> str:
    """Take the tags out of a text and resolve its entities: ``<i>A</i> &amp; B`` is ``A & B``."""
    if "<" not in markup:
        return html.unescape(markup).strip()
    parser = _TextParser()
    parser.feed(markup)
    # Not closed: what looks like a tag that never ends is text, such as "h <b 30 cm".
    return " ".join("".join((*parser.parts, html.unescape(parser.rawdata))).split())


class _TextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._handle(tag, self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self._handle(tag, f"</{tag}>")

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self._handle(tag, self.get_starttag_text() or "")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_decl(self, decl: str) -> None:
        self.parts.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.parts.append(f"<?{data}>")

    def _handle(self, tag: str, text: str) -> None:
        if tag not in _INLINE:
            self.parts.append(" " if tag in _BLOCKS else text)
