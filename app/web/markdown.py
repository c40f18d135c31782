"""Markdown of people and models to HTML that can do nothing: no scripts, no images, no HTML.

HTML in the source is shown as the text it is. Images are named, not loaded: a remote image would
tell its host who is judging.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

# fmt: off
TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol",
    "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}
# fmt: on
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title", "target"},
    "ol": {"start"},
    "span": {"class"},
    "th": {"align"},
    "td": {"align"},
}


class Renderer(RendererHTML):
    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        alt = self.renderInlineAsText(tokens[idx].children or [], options, env)
        return f'<span class="omitted">[image not shown: {escape(alt or "no description")}]</span>'


def _build(breaks: bool) -> MarkdownIt:
    options: dict[str, Any] = {"html": False, "breaks": breaks}
    parser = MarkdownIt("gfm-like", options, renderer_cls=Renderer)
    # Only an address written out in full becomes a link, so that "e.g.this" stays text.
    assert parser.linkify is not None
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    return parser


_parsers = {breaks: _build(breaks) for breaks in (True, False)}


@lru_cache(maxsize=2048)
def render_markdown(text: str, demote: int = 0, breaks: bool = True) -> Markup:
    """Safe HTML. Headings become `demote` levels smaller, to fit below those of the page.

    breaks: a line end in the text is one on the page, as in chats; a guideline's file is wrapped.
    """
    parser = _parsers[breaks]
    env: EnvType = {}
    tokens = parser.parse(text, env)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + demote)}"
    clean = nh3.clean(
        parser.renderer.render(tokens, parser.options, env),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return Markup(clean)  # noqa: S704 - nh3 has just made it safe.
