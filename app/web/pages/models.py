"""`/models`: every model's card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from app.web.pages.frame import document
from app.web.rows import LABELS
from models import registry

if TYPE_CHECKING:
    from app.web.services import Services
    from models.card import ModelCard


def _facts(card: ModelCard, problem: str | None) -> html.Dl:
    counts: dict[str, int] = {}
    for track in card.tracks:
        counts[LABELS[track.modality]] = counts.get(LABELS[track.modality], 0) + 1
    pairs = [
        ("State", problem or "Weights found"),
        ("Predicts", ", ".join(f"{n:,} {label}" for label, n in counts.items())),
        ("Reads", f"{card.input_width:,} bp, predicts the central {card.output_width:,} bp"),
        ("Genomes", ", ".join(card.genomes)),
        ("Numbers checked by", f"{card.validation.capitalize()}. {card.validation_note}"),
        ("Licence", card.licence),
        ("Restriction", card.licence_note),
        ("Paper", card.paper),
    ]
    parts = [(html.Dt(name), html.Dd(value)) for name, value in pairs if value]
    return html.Dl([part for pair in parts for part in pair], className="facts")


def layout(services: Services) -> html.Div:
    """Returns the page."""
    folders = services.settings.weights_dirs
    return document(
        html.H1("Models"),
        html.P("What each model predicts, and how its numbers were checked.", className="lead"),
        *(
            html.Section(
                [
                    html.H3(card.title),
                    html.P(card.summary, className="muted"),
                    _facts(card, services.unavailable(card)),
                ],
                className="card model",
            )
            for card in services.preferred_cards().values()
        ),
        *(html.P(text, className="error") for text in registry.card_problems(folders)),
    )
