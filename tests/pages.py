"""What every page must be: whole, self-contained, and readable by a screen reader."""

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = frozenset(("meta", "img", "br", "link", "input"))


class Page(HTMLParser):
    """A page as its tags and texts; its tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def named(self, tag):
        """The attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]

    def values(self, *names):
        """The values of such attributes of any tag."""
        return [a[name] for _, a in self.tags for name in names if name in a]


def check_page(text):
    """Check a page and return it."""
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"}
    assert "default-src 'none'" in page.named("meta")[2]["content"]
    assert all(a["src"].startswith("data:image/") for a in page.named("img"))
    assert all(a.get("alt") for a in page.named("img"))
    assert "url(http" not in text
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    local = [address[1:] for address in page.values("href") if address.startswith("#")]
    assert set(local + page.values("aria-labelledby")) <= set(ids)
    assert all(a.get("role") == "img" for a in page.named("svg"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    known = re.compile(r"aria-(hidden|label|labelledby)")
    assert all(known.fullmatch(n) for _, a in page.tags for n in a if n.startswith("aria"))
    return page
