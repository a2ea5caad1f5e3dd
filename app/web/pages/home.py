"""`/`: what this is, and the genomes that can be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from dash import html
from dash.development.base_component import Component

from app.errors import LocuscopeError
from app.genome.bundle_file import SuggestedView
from app.genome.edits import haplotype_of
from app.genome.locus import format_interval, format_width
from app.genome.signals import ObservedTrack
from app.inference.alleles import Allele
from app.web.figures.preview import PreviewRow, preview
from app.web.pages.frame import document
from app.web.rows import Row, rows
from app.web.state import ViewState, from_query
from app.web.theme import modality_colour

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle
    from app.web.services import Services
    from models.card import ModelCard

PREVIEW_ROWS = 4
PREVIEW_BINS = 240
#: Wider views than this are shown without a picture: reading them would hold up the page.
PREVIEW_WIDEST = 1_000_000


def _preview_row(
    row: Row, state: ViewState, bundle: Bundle, card: ModelCard | None, services: Services
) -> PreviewRow:
    where = (state.locus.chromosome, state.locus.start, state.locus.end, PREVIEW_BINS)
    plane = 2 if row.summary == "max" else 0
    nothing = np.empty(0, np.float32)
    predicted = observed = nothing
    if card and row.predicted:
        allele = Allele(haplotype_of(state.edits, state.locus.chromosome), alternate=True)
        track = row.predicted[0]
        predicted = services.predictions.summarise(card, bundle, track, *where, allele)[plane]
    for measured in row.observed[:1]:
        if isinstance(measured, ObservedTrack):
            observed = measured.summarise(*where)[plane]
    return PreviewRow(modality_colour(row.modality, "light"), predicted, observed)


def _picture(state: ViewState, bundle: Bundle, services: Services) -> html.Img | html.P:
    """Returns the first rows of a view as they are now: measured, and predicted where stored."""
    if state.locus.width > PREVIEW_WIDEST:
        return html.P("Too wide for a picture here.", className="muted")
    card = services.cards.get(state.model)
    shown = [row for row in rows(state, bundle, card)[0] if row.kind == "signal"]
    if not shown:
        return html.P("Contact maps are drawn where they are opened.", className="muted no-picture")
    try:
        drawn = [_preview_row(row, state, bundle, card, services) for row in shown[:PREVIEW_ROWS]]
    except LocuscopeError as error:
        return html.P(error.message, className="error")
    if not any(np.isfinite(x).any() for row in drawn for x in (row.predicted, row.observed)):
        return html.P("Nothing is measured here; open it to predict.", className="muted no-picture")
    return html.Img(src=preview(drawn), alt=f"The first tracks of {format_interval(state.locus)}")


def _card(bundle: Bundle, view: SuggestedView, services: Services) -> html.A:
    cards = services.preferred_cards()
    state, _ = from_query(f"genome={bundle.id}&{view.link}", services.catalogue, cards)
    return html.A(
        [
            html.H3(view.title),
            html.Div(view.about, className="muted"),
            _picture(state, bundle, services),
            html.Div(
                [format_interval(state.locus), " · ", format_width(state.locus.width)],
                className="muted small",
            ),
        ],
        href=f"/browse?{state.to_query()}",
        className="card",
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _genome(bundle: Bundle, services: Services) -> html.Section:
    facts = [
        bundle.assembly,
        _count(len(bundle.reference.chromosomes), "chromosome"),
        _count(len(bundle.measured), "measured track"),
    ]
    badge = html.Span("simulated", className="row-simulated")
    start = SuggestedView(title="Start browsing", link="v=1")
    return html.Section(
        [
            html.H2(
                [
                    f"{bundle.name.removesuffix(' (simulated)')} ",
                    badge if bundle.simulated else None,
                    f" · {' · '.join(facts)}",
                ]
            ),
            html.Div(
                [_card(bundle, view, services) for view in bundle.views or (start,)],
                className="cards",
            ),
        ]
    )


def layout(services: Services) -> html.Div:
    """Returns the page."""
    bundles = services.catalogue.bundles.values()
    genomes: list[Component] = [_genome(bundle, services) for bundle in bundles]
    return document(
        html.H1("The genome browser for sequence models"),
        html.P(
            "Pick a locus and a cell type. A model reads the DNA; the page shows what it predicts "
            "above what was measured. Every view is a link.",
            className="lead",
        ),
        *(
            genomes
            or [
                html.P(
                    [
                        "No genome is loaded. Start with ",
                        html.Code("locuscope serve --genome FOLDER"),
                        ".",
                    ]
                )
            ]
        ),
    )
