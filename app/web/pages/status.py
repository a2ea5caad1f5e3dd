"""`/status`: what is running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from app.errors import WorkerUnavailableError
from app.web.pages.frame import document, table

if TYPE_CHECKING:
    from app.inference.jobs import WorkerInfo
    from app.web.services import Services


def _workers(services: Services) -> tuple[list[WorkerInfo], str | None]:
    try:
        return services.jobs.workers(), None
    except WorkerUnavailableError as error:
        return [], error.message


def layout(services: Services) -> html.Div:
    """Returns the page, as things are at this moment."""
    workers, problem = _workers(services)
    genomes = services.catalogue.bundles.values()
    return document(
        html.H1("Status"),
        html.H2("Workers"),
        html.P(problem, className="error") if problem else None,
        table(
            ["Worker", "Device", "Models it serves", "Loaded"],
            [
                [w.name, w.device, ", ".join(w.families), ", ".join(w.loaded) or "none yet"]
                for w in workers
            ],
        )
        if workers
        else html.P("No worker is running. Start one with: locuscope worker"),
        html.H2("Genomes"),
        table(
            ["Genome", "Assembly", "Measured tracks", "Left out"],
            [
                [
                    bundle.name,
                    bundle.assembly,
                    f"{len(bundle.tracks):,}",
                    "; ".join(f"{path}: {message}" for path, message in bundle.problems)
                    or "nothing",
                ]
                for bundle in genomes
            ],
        ),
    )
