"""The page around the report's numbers: escaping, tables, lists, the frame."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files


class Markup(str):
    """Text that is HTML already; every other string is escaped on its way into the page."""


def html(text: str) -> Markup:
    """Escape a text, unless it is markup."""
    return text if isinstance(text, Markup) else Markup(escape(text))


def element(tag: str, *children: str, css: str = "") -> Markup:
    """Wrap children in one element; those that are not markup are escaped."""
    attribute = f' class="{escape(css)}"' if css else ""
    return Markup(f"<{tag}{attribute}>{''.join(map(html, children))}</{tag}>")


def page(title: str, body: Iterable[str]) -> str:
    """Give a whole page with its style inside: nothing is asked of any server."""
    style = files("scenarios").joinpath("report.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body><main>\n"
        + "\n".join(map(html, body))
        + "\n</main></body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, css: str = "") -> Markup:
    """Give a table that scrolls sideways where it is too wide."""
    top = element("tr", *(element("th", cell) for cell in head))
    body = (element("tr", *(_cell(cell) for cell in row)) for row in rows)
    return element(
        "div", element("table", element("thead", top), element("tbody", *body), css=css), css="wide"
    )


def _cell(content: str) -> Markup:
    return (
        Markup(content)
        if isinstance(content, Markup) and content.startswith("<td")
        else element("td", content)
    )


def figure(caption: str, *drawings: Markup) -> Markup:
    """Give drawings below their caption."""
    return element("figure", element("figcaption", caption), *drawings)


def bullets(items: Iterable[str], *, css: str = "") -> Markup:
    """Give a bulleted list."""
    return element("ul", *(element("li", item) for item in items), css=css)


def definitions(pairs: Mapping[str, str]) -> Markup:
    """Give a list of terms and what they stand for."""
    return element(
        "dl",
        *(element(tag, text) for term, what in pairs.items() for tag, text in (("dt", term), ("dd", what))),
    )
