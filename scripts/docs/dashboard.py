"""The picture of the dashboard: which graph stands where, with the names of its lines, and no invented curves."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

_COLUMN, _ROW, _GAP, _LINE = 40, 22, 8, 17
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


def picture(dashboard: dict[str, Any]) -> str:
    """The dashboard's layout as SVG."""
    widgets = dashboard["widgets"]
    width = _COLUMNS * _COLUMN
    height = max(widget["y"] + widget["height"] for widget in widgets) * _ROW
    drawn = "".join(text for widget in widgets for text in _widget(widget))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        "font-family=\"Helvetica, Arial, 'Liberation Sans', sans-serif\">\n"
        "<title>The layout of the CloudWatch dashboard</title>\n"
        f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>\n{drawn}</svg>\n'
    )


def _widget(widget: dict[str, Any]) -> Iterator[str]:
    x, y = widget["x"] * _COLUMN + _GAP // 2, widget["y"] * _ROW + _GAP // 2
    width, height = widget["width"] * _COLUMN - _GAP, widget["height"] * _ROW - _GAP
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="#ffffff" stroke="#d5dbdb"/>\n'
    yield _text(x + 12, y + 22, 13, "#16191f", widget["properties"]["title"], weight="bold")
    for number, (label, colour) in enumerate(lines(widget)):
        line = y + 46 + number * _LINE
        yield f'<rect x="{x + 12}" y="{line - 8}" width="14" height="4" fill="{colour}"/>\n'
        yield _text(x + 32, line, 12, "#545b64", label)
    kind = "figures" if widget["properties"]["view"] == "singleValue" else "lines over time"
    yield _text(x + 12, y + height - 10, 10, "#879596", kind)


def _text(x: int, y: int, size: int, colour: str, text: str, *, weight: str = "normal") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}">'
        f"{escape(text, quote=False)}</text>\n"
    )
