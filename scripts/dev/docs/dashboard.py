"""The picture of the dashboard: which graph stands where, and its lines, without invented curves."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from scripts.dev.docs.drawing import FONTS, Theme

DESCRIPTION = "The layout of the CloudWatch dashboard"

_COLUMN, _ROW, _GAP, _LINE = 40, 13, 8, 18
_COLUMNS = 24


def body(shared: dict[str, Any]) -> dict[str, Any]:
    """The dashboard of a shared stack's Terraform JSON, as CloudWatch takes it."""
    (dashboard,) = shared["resource"]["aws_cloudwatch_dashboard"].values()
    document: dict[str, Any] = json.loads(dashboard["dashboard_body"])
    return document


def lines(widget: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and colour of each visible line of a widget."""
    options = [line[-1] for line in widget["properties"]["metrics"]]
    return [(option["label"], option["color"]) for option in options if option.get("visible", True)]


def picture(dashboard: dict[str, Any], theme: Theme) -> str:
    """The dashboard's layout as SVG."""
    widgets = dashboard["widgets"]
    width = _COLUMNS * _COLUMN
    height = max(widget["y"] + widget["height"] for widget in widgets) * _ROW
    drawn = "".join(text for widget in widgets for text in _widget(widget, theme))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="{escape(FONTS)}">\n'
        f"<title>{DESCRIPTION}</title>\n{drawn}</svg>\n"
    )


def _widget(widget: dict[str, Any], theme: Theme) -> Iterator[str]:
    x, y = widget["x"] * _COLUMN + _GAP // 2, widget["y"] * _ROW + _GAP // 2
    width, height = widget["width"] * _COLUMN - _GAP, widget["height"] * _ROW - _GAP
    yield (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{theme.panel}"'
        f' stroke="{theme.frame}"/>\n'
    )
    yield _text(x + 12, y + 22, theme.text, widget["properties"]["title"], weight="bold")
    if widget["properties"]["view"] == "singleValue":
        yield _text(x + width - 12, y + 22, theme.faint, "figures", anchor="end")
    shown = lines(widget)
    columns = 1 if len(shown) <= 2 else 2
    for number, (label, colour) in enumerate(shown):
        across, below = x + 12 + number % columns * width // 2, y + 42 + number // columns * _LINE
        yield f'<rect x="{across}" y="{below - 7}" width="14" height="4" fill="{colour}"/>\n'
        yield _text(across + 22, below, theme.text, label)


def _text(x: int, y: int, colour: str, text: str, *, weight: str = "normal", anchor: str = "start") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="13" font-weight="{weight}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text, quote=False)}</text>\n"
    )
