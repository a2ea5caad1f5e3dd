"""The frame of pages that are read rather than browsed."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component


def document(*content: Component | None) -> html.Div:
    """Returns a page with the bar, a column of content and the standing notice."""
    return html.Div(
        [
            html.Header(
                [
                    html.A("Locuscope", href="/", className="logo"),
                    html.Nav(
                        [
                            html.A("Browse", href="/browse"),
                            html.A("Variants", href="/variants"),
                            html.A("Models", href="/models"),
                            html.A("Status", href="/status"),
                        ],
                        className="links",
                    ),
                ],
                className="bar",
            ),
            html.Div(
                html.Main([c for c in content if c is not None], className="document"),
                className="document-scroll",
            ),
            html.Footer([html.Span("not for clinical use")], id="status"),
        ],
        className="page",
    )


def text_box(id_: str, label: str, placeholder: str, rows: int = 1) -> html.Textarea:
    """Returns a box for text whose value the browser alone holds.

    The boxes of Dash's component libraries send each letter through the state of the page and
    write what comes back into the box, so that letters typed meanwhile are lost.

    Args:
        id_: Its id; scripts read and write its ``value``.
        label: What a screen reader calls it.
        placeholder: What is shown while it is empty.
        rows: Lines shown while it is empty.
    """
    named: dict[str, Any] = {"aria-label": label}
    return html.Textarea(
        id=id_,
        rows=rows,
        placeholder=placeholder,
        className="field",
        spellCheck="false",
        **named,
    )


def table(head: list[str], rows: list[list[Component | str]]) -> html.Table:
    """Returns a plain table."""
    return html.Table(
        [
            html.Thead(html.Tr([html.Th(text) for text in head])),
            html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows]),
        ],
        className="plain",
    )
