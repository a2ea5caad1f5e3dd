"""`/status`: what is running, and what went wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dash import html
from dash.development.base_component import Component

from app.inference.progress import duration
from app.web.health import NO_WORKER, system_status
from app.web.pages.frame import document, table

if TYPE_CHECKING:
    from app.web.services import Services


def layout(services: Services) -> html.Div:
    """Returns the page, as things are at this moment."""
    status = system_status(services)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return document(
        html.H1("Status"),
        html.P(status["sentence"], className="lead"),
        html.P([f"As of {now}. ", html.A("Look again", href="/status")]),
        html.H2("Workers"),
        _workers(services, status["workers"]),
        html.H2("Queues"),
        _queues(services, status["queues"]),
        html.H2("Stored results"),
        html.P(_stored(**status["stored"])),
        html.H2("What went wrong in the last 24 hours"),
        _troubles(status["troubles"], ready=bool(status["queues"])),
        html.H2("Genomes"),
        _genomes(services),
    )


def _workers(services: Services, workers: list[dict[str, Any]]) -> Component:
    if not workers:
        return html.P(NO_WORKER)
    return table(
        ["Worker", "Device", "Doing", "Models in memory", "Families it serves"],
        [
            [
                worker["name"],
                worker["device"],
                f"computing job {worker['job'][:12]}" if worker["job"] else "waiting for work",
                ", ".join(_title(services, id_) for id_ in worker["loaded"]) or "none yet",
                ", ".join(worker["families"]),
            ]
            for worker in workers
        ],
    )


def _title(services: Services, model: str) -> str:
    return services.cards[model].title if model in services.cards else model


def _queues(services: Services, queues: dict[str, int]) -> Component:
    if not queues:
        return html.P("No value: the broker does not answer.")
    titles = {
        family: ", ".join(card.title for card in services.cards.values() if card.family == family)
        for family in queues
    }
    return table(
        ["Family", "Models", "Jobs that wait"],
        [[family, titles[family], f"{waiting:,}"] for family, waiting in queues.items()],
    )


def _stored(bytes: int, limit: int) -> str:
    return f"{bytes / 2**20:,.1f} MiB of at most {limit / 2**20:,.0f} MiB on disk."


def _troubles(troubles: list[dict[str, Any]], *, ready: bool) -> Component:
    if not troubles:
        return html.P("Nothing." if ready else "No value: the broker does not answer.")
    now = time.time()
    return table(
        ["When", "Where", "What", "Job"],
        [
            [
                f"{duration(max(now - trouble['last'], 0))} ago",
                trouble["where"],
                trouble["message"] + (f" ({trouble['times']} times)" * (trouble["times"] > 1)),
                trouble["job"][:12],
            ]
            for trouble in troubles
        ],
    )


def _genomes(services: Services) -> Component:
    return table(
        ["Genome", "Assembly", "Measured tracks", "Left out"],
        [
            [
                bundle.name,
                bundle.assembly,
                f"{len(bundle.measured):,}",
                "; ".join(f"{path}: {message}" for path, message in bundle.problems) or "nothing",
            ]
            for bundle in services.catalogue.bundles.values()
        ],
    )
