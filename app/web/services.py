"""What one web process holds: settings, genomes, models, and the way to workers and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

from flask import current_app

from app.errors import NotFoundError, WorkerUnavailableError
from app.genome.catalogue import Catalogue
from app.genome.own_tracks import OwnTracks
from app.inference.explanations import Explanations
from app.inference.jobs import Jobs, WorkerInfo
from app.inference.mutagenesis import Mutagenesis
from app.inference.predictions import Predictions
from app.inference.store import ResultStore
from app.settings import Settings
from app.web.tile_cache import TileCache
from app.web.versions import look
from models import registry
from models.card import ModelCard


@dataclass(frozen=True)
class Services:
    """What the routes and pages work with; made once a process.

    Attributes:
        settings: The settings of this process.
        catalogue: The genomes that are served.
        cards: The models by id.
        jobs: The way to broker and workers.
        store: Stored results.
        predictions: Predicted values, stored or asked for.
        mutagenesis: Effects of single-base changes, stored or asked for.
        explanations: Attributions and names of motifs, stored or asked for.
        own: Tracks that visitors have brought.
        tile_cache: Tiles that were read lately.
    """

    settings: Settings
    catalogue: Catalogue
    cards: dict[str, ModelCard]
    jobs: Jobs
    store: ResultStore
    predictions: Predictions
    mutagenesis: Mutagenesis
    explanations: Explanations
    own: OwnTracks
    tile_cache: TileCache = field(default_factory=TileCache)

    def workers(self) -> list[WorkerInfo]:
        """Returns the workers that are alive; none where no broker answers."""
        try:
            return self.jobs.workers()
        except WorkerUnavailableError:
            return []

    def families(self) -> list[str]:
        """Returns the families of the models, each with a queue of its own."""
        return sorted({card.family for card in self.cards.values()})

    def missing(self, card: ModelCard) -> str:
        """Returns which of a model's files are not here, or nothing."""
        return _missing_at(card, self.settings.weights_dirs, look())

    def unavailable(self, card: ModelCard) -> str:
        """Returns why a model cannot be used; nothing if its files are here or a worker holds it.

        Workers are asked only where files are missing: this is done for every view.
        """
        problem = self.missing(card)
        return "" if problem and card.id in self._held() else problem

    def preferred_cards(self) -> dict[str, ModelCard]:
        """Returns the models by id: first those whose files are here.

        Where no files are here at all, because the workers have them, first those they hold.
        """
        usable = {id_ for id_, card in self.cards.items() if not self.missing(card)} or self._held()
        return dict(sorted(self.cards.items(), key=lambda item: item[0] not in usable))

    def _held(self) -> set[str]:
        """Returns the ids of the models that workers hold in memory."""
        return {id_ for worker in self.workers() for id_ in worker.loaded}

    def card(self, model: str) -> ModelCard | None:
        """Returns a model by its id, None for no id, or raises NotFoundError."""
        if model and model not in self.cards:
            raise NotFoundError(f"There is no model “{model[:60]}”.", next(iter(self.cards), None))
        return self.cards[model] if model else None


@lru_cache(maxsize=64)
def _missing_at(card: ModelCard, weights_dirs: tuple[Path, ...], _when: int) -> str:
    return registry.availability(card, weights_dirs) or ""


def services() -> Services:
    """Returns the services of the app that handles this request."""
    return cast(Services, current_app.extensions["locuscope"])
