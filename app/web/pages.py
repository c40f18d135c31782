"""Turns a template and its context into an answer. Every page and fragment goes through here."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.models.accounts import Role
from app.web.assets import HTMX_FILE, UI_FOLDER, asset
from app.web.charts import bars, dots, lines, strips
from app.web.markdown import render_markdown
from app.web.visitors import Visitor, set_visitor_cookie, settings_of
from app.web.wording import reason


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _decimal(value: float) -> str:
    return f"{value:z.3f}".replace("-", "−")


def _moment(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _day(iso_date: str) -> str:
    day = date.fromisoformat(iso_date)
    return f"{day.day} {day:%b}"


def _seconds(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def _number(value: float, kind: str, *, digits: int | None = None) -> str:
    """A figure as its kind is written: `share`, `coefficient`, `times`, `percent_points` (of a
    share), `ms` (in seconds), or plain."""
    text = {
        "share": lambda: f"{100 * value:z.{1 if digits is None else digits}f} %",
        "coefficient": lambda: f"{value:z.{2 if digits is None else digits}f}",
        "percent_points": lambda: f"{100 * value:z.{1 if digits is None else digits}f} points",
        "ms": lambda: f"{value / 1000:.{1 if digits is None else digits}f} s",
        "times": lambda: f"{value:z.{2 if digits is None else digits}f} ×",
    }.get(kind, lambda: f"{value:z,.{0 if digits is None else digits}f}")()
    return text.replace("-", "−")


def _range(low: float, high: float, kind: str, digits: int | None = None) -> str:
    ends = [_number(low, kind, digits=digits), _number(high, kind, digits=digits)]
    unit = ends[1].rpartition(" ")[1] + ends[1].rpartition(" ")[2] if " " in ends[1] else ""
    return f"{ends[0].removesuffix(unit) if unit else ends[0]} to {ends[1]}"


def _count(number: int, thing: str, things: str | None = None) -> str:
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def _build() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(UI_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        markdown=render_markdown,
        day=_day,
        decimal=_decimal,
        percent=_percent,
        moment=_moment,
        seconds=_seconds,
        number=_number,
        reason=reason,
    )
    environment.globals.update(
        asset=asset,
        htmx_file=HTMX_FILE,
        Role=Role,
        count=_count,
        interval=_range,
        bars=bars,
        dots=dots,
        lines=lines,
        strips=strips,
    )
    return environment


_templates = _build()


def compile_templates() -> None:
    """Ahead of whoever would be the first to ask for a page: one of a dozen macros takes a fifth of
    a second."""
    for name in _templates.list_templates():
        _templates.get_template(name)


def wants_fragment(request: Request) -> bool:
    """Whether htmx or our own script asked, and will put the answer into a page."""
    return request.headers.get("hx-request") == "true"


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Answer with a page, or with a fragment (a template whose name starts with `_`)."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    html = _templates.get_template(template).render(
        visitor=visitor,
        csrf_token=visitor.csrf_token if visitor else "",
        path=request.url.path,
        status=status,
        **context,
    )
    response = HTMLResponse(html, status_code=status)
    if visitor is not None and visitor.new_cookie is not None:
        set_visitor_cookie(response, settings_of(request), visitor.new_cookie)
    return response
