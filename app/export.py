"""``locuscope export``: the numbers of a link as files, computed in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

from flask import Flask

from app.errors import BadInputError, NotFoundError
from app.inference.batch import check_folder, predict
from app.inference.prediction_files import FORMATS, whole, write
from app.settings import Settings
from app.web.server import make_services
from app.web.view import View, read_view
from app.web.view_data import archive, as_prediction, columns, tsv

#: What is written of a view; a file of the last ones holds one kind of track.
ENDINGS = (".tsv", ".zip", ".bw", ".bedpe", ".bed")
PICTURES = (".svg", ".png", ".pdf")


def export_view(settings: Settings, link: str, out: Path) -> tuple[list[Path], list[str]]:
    """Computes what a link shows and writes its values, as the page does.

    Args:
        settings: Genomes, weights, device and cache; own tracks are those in the cache.
        link: The address of a view, or its query alone.
        out: Ends in one of ``ENDINGS``.

    Returns:
        The files written, and what of the link could not be read.

    Raises:
        BadInputError: The ending names no format, or the view has nothing for it.
        LimitError: The view is too wide.
        ModelUnavailableError: The model's weights are missing or wrong.
    """
    if out.suffix in PICTURES:
        raise BadInputError(
            "Pictures are drawn by the page. Run locuscope serve, open the link in a browser and "
            "press e."
        )
    if out.suffix not in ENDINGS:
        raise BadInputError(f"The output ends in {', '.join(ENDINGS)}, not in {out.name!r}.")
    check_folder(out)
    services = make_services(settings)
    if not services.catalogue.bundles:
        raise NotFoundError("Name a genome bundle with --genome FOLDER.")
    context = Flask("locuscope")
    context.extensions["locuscope"] = services
    with context.app_context():
        seen = read_view(link.partition("?")[2] or link)
        return _write(settings, seen, link, out), seen.notices


def _write(settings: Settings, seen: View, link: str, out: Path) -> list[Path]:
    state, kinds = seen.state, FORMATS.get(out.suffix, ())
    shown = [row for row in seen.rows if not kinds or row.kind in kinds]
    if not shown:
        raise BadInputError(f"Nothing in this view fits into a {out.suffix} file.")
    tracks = [track.id for row in shown for track in row.predicted]
    if seen.card and tracks:
        edits = "\n".join(edit.text for edit in state.edits)
        predict(settings, seen.card.id, seen.bundle, state.locus, tracks, edits)
    found = [column for row in shown for column in columns(seen, row.id)]
    if out.suffix not in (".tsv", ".zip"):
        return write(out, as_prediction(seen, found, link))
    with whole(out) as part:
        if out.suffix == ".tsv":
            with part.open("w", encoding="utf-8") as text:
                text.writelines(tsv(seen, found, link))
        else:
            with part.open("wb") as file, archive(seen, found, link) as made:
                shutil.copyfileobj(made, file)
    return [out]
