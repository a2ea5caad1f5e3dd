"""`/`: what this is, and the genomes that can be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from app.web.pages.frame import document
from app.web.state import from_query

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle
    from app.web.api import Services


def _card(bundle: Bundle, services: Services) -> html.A:
    state, _ = from_query(f"genome={bundle.id}", services.catalogue, services.preferred_cards())
    facts = [
        f"{len(bundle.reference.pieces):,} stretches of sequence",
        f"{len(bundle.tracks):,} measured tracks",
    ]
    if bundle.simulated:
        facts.insert(0, "simulated")
    return html.A(
        [
            html.H3(bundle.name),
            html.Div(f"{bundle.assembly} · {' · '.join(facts)}", className="muted"),
        ],
        href=f"/browse?{state.to_query()}",
        className="card",
    )


def layout(services: Services) -> html.Div:
    """Returns the page."""
    genomes = [_card(bundle, services) for bundle in services.catalogue.bundles.values()]
    return document(
        html.H1("The genome browser for sequence models"),
        html.P(
            "Pick a locus and a cell type. A model reads the DNA; the page shows what it predicts "
            "above what was measured. Every view is a link.",
            className="lead",
        ),
        html.Div(genomes, className="cards")
        if genomes
        else html.P(
            ["No genome is loaded. Start with ", html.Code("locuscope serve --genome FOLDER"), "."]
        ),
    )
