"""The frame of pages that are read rather than browsed."""

from __future__ import annotations

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


def table(head: list[str], rows: list[list[Component | str]]) -> html.Table:
    """Returns a plain table."""
    return html.Table(
        [
            html.Thead(html.Tr([html.Th(text) for text in head])),
            html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows]),
        ],
        className="plain",
    )
