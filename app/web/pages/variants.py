"""`/variants`: what several variants do, each by itself; ``assets/69-variants.js`` fills it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, State, html

from app.web.pages.frame import document, text_box

if TYPE_CHECKING:
    from app.web.services import Services


def layout(services: Services) -> html.Div:
    """Returns the page without what it shows."""
    bundles = services.catalogue.bundles.values()
    return document(
        html.H1(["Variants ", html.Span("simulated", className="simulated-badge")]),
        html.P(
            "What several variants do, each by itself: every one is scored in every track of a "
            "model, and compared with the others.",
            className="lead",
        ),
        html.Div(
            [
                dmc.Select(
                    id="variants-genome",
                    label="Genome",
                    data=[{"value": b.id, "label": b.name} for b in bundles],
                    size="xs",
                    allowDeselect=False,
                ),
                dmc.Select(
                    id="variants-model",
                    label="Model",
                    data=[
                        {"value": card.id, "label": card.title}
                        for card in services.preferred_cards().values()
                    ],
                    size="xs",
                    allowDeselect=False,
                ),
            ],
            className="variants-choice",
        ),
        html.Label("Variants or edits, one a line", htmlFor="variants-box"),
        text_box(
            "variants-box",
            "Variants or edits, one a line",
            "chr22:21742118:T>G, chr-pos-ref-alt, chr22:100-200:del, or lines of VCF",
            rows=3,
        ),
        html.Div(
            [
                html.Button("Score", id="variants-score", className="tool"),
                html.Span(id="variants-message", role="status"),
            ],
            className="variants-go",
        ),
        html.P(id="variants-licence", className="licence-note"),
        html.Div(id="variants-results"),
    )


def register(app: Dash) -> None:
    """Connects the controls to the client."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("controls", "scoreVariants"),
        Input("variants-score", "n_clicks"),
        State("variants-genome", "value"),
        State("variants-model", "value"),
        prevent_initial_call=True,
    )
