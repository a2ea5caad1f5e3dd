"""Finds model cards, checks their weights and opens their networks.

A card is ``card.toml`` beside ``tracks.tsv``, in ``models/cards/<id>/`` or, for a model that a user
adds, in ``<weights folder>/<any>/``. Nothing here imports torch before ``open_model`` is called, so
the web process can list models that only a worker elsewhere can run.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import importlib.util
import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from models.card import ModelCard, WeightsError

if TYPE_CHECKING:
    import torch

    from models.base import SequenceModel

CARDS = Path(__file__).parent / "cards"
#: Weights that come with Locuscope.
WEIGHTS = Path(__file__).parent / "weights"

#: Columns that every ``tracks.tsv`` has; a family may read further ones of its own.
TRACK_COLUMNS = (
    "id",
    "modality",
    "name",
    "strand",
    "resolution",
    "unit",
    "biosample",
    "curie",
    "synonyms",
    "assay",
    "target",
    "summary",
)

_CARD = TypeAdapter(ModelCard)


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Reads a tab-separated table with a header.

    Args:
        path: The table.
        columns: Columns that it must have; it may have more.

    Returns:
        One dict a row, by column name; values are text, stripped of spaces at both ends.

    Raises:
        ValueError: The table has no rows or lacks a column, or a row has more or fewer fields than
            the header.
    """
    with path.open(encoding="utf-8", newline="") as handle:
        table = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    if len(table) < 2:
        raise ValueError(f"{path.name} has no rows")
    header, *rows = table
    if missing := [name for name in columns if name not in header]:
        raise ValueError(f"{path.name} lacks the columns {', '.join(missing)}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(
                f"{path.name} line {number} has {len(row)} columns and its header {len(header)}"
            )
    return [dict(zip(header, (value.strip() for value in row), strict=True)) for row in rows]


def _track(row: dict[str, str]) -> dict[str, Any]:
    """Turns a row of ``tracks.tsv`` into the fields of a ``Track``."""
    fields: dict[str, Any] = {
        key: row[key]
        for key in ("id", "modality", "name", "strand", "resolution", "unit", "assay", "target")
    }
    fields["summary"] = row["summary"] or "mean"
    if row["biosample"]:
        fields["biosample"] = {
            "name": row["biosample"],
            "curie": row["curie"],
            "synonyms": [name for name in row["synonyms"].split("|") if name],
        }
    return fields


def _check_ids(card: ModelCard) -> None:
    """Refuses ids that do not fit into URLs, or tracks' that are not made of their parts."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", card.id):
        raise ValueError(f"id: {card.id!r} may hold only letters, digits, dots, dashes and _")
    seen = set()
    for track in card.tracks:
        expected = f"{card.id}/{track.modality}/{track.name}/{track.strand}"
        if "/" in track.name or track.id != expected:
            raise ValueError(f"tracks.tsv: the id {track.id} must be {expected}, without further /")
        if track.id in seen:
            raise ValueError(f"tracks.tsv: {track.id} occurs twice")
        seen.add(track.id)


def _parse_card(directory: Path) -> ModelCard:
    """Reads a card; its errors do not yet say which card it is."""
    written = tomllib.loads((directory / "card.toml").read_text(encoding="utf-8"))
    table = directory / "tracks.tsv"
    derived = {
        "tracks": [_track(row) for row in read_rows(table, TRACK_COLUMNS)],
        "directory": directory,
        "tracks_sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
    }
    if unknown := set(written) - (set(ModelCard.__dataclass_fields__) - set(derived)):
        raise ValueError(f"card.toml has the unknown fields {', '.join(sorted(unknown))}")
    card = _CARD.validate_python(written | derived)
    _check_ids(card)
    return card


def read_card(directory: Path) -> ModelCard:
    """Reads ``card.toml`` and ``tracks.tsv``.

    Args:
        directory: The folder that holds both.

    Returns:
        The card, with its tracks in the order of the table.

    Raises:
        ValueError: A file is missing or damaged, or a field is missing, unknown or out of range;
            the message names the folder and the field.
    """
    try:
        return _parse_card(directory)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"Model card {directory}: {where}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"Model card {directory}: {error}") from error


def _card_folders(weights_dirs: Sequence[Path]) -> Iterator[Path]:
    """Yields the folders that hold a card: ours first, then a user's, in the order given."""
    for root in (CARDS, *weights_dirs):
        yield from sorted(path.parent for path in root.glob("*/card.toml"))


def _read_all(weights_dirs: Sequence[Path]) -> tuple[dict[str, ModelCard], tuple[str, ...]]:
    """Returns the good cards by id, and what is wrong with the others."""
    found: dict[str, ModelCard] = {}
    problems = []
    for folder in _card_folders(weights_dirs):
        try:
            card = read_card(folder)
            if card.id in found:
                raise ValueError(  # noqa: TRY301 - every way to lose a card ends in one list
                    f"Model card {folder}: {found[card.id].directory} already has id {card.id}"
                )
            found[card.id] = card
        except ValueError as error:
            problems.append(str(error))
    return found, tuple(problems)


def cards(weights_dirs: Sequence[Path]) -> dict[str, ModelCard]:
    """Returns all readable cards by id: ours first, then those in the weights folders.

    A card that cannot be read is left out and stands in ``card_problems``.
    """
    return _read_all(weights_dirs)[0]


def card_problems(weights_dirs: Sequence[Path]) -> tuple[str, ...]:
    """Returns one sentence for each card that ``cards`` left out."""
    return _read_all(weights_dirs)[1]


@lru_cache(maxsize=1024)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Hashes a file; once, as long as its size and time of change stay the same."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _roots(card: ModelCard, weights_dirs: Sequence[Path]) -> list[Path]:
    """Returns the folders below which the card's files may lie, in order of search."""
    if not card.package:
        beside = WEIGHTS if card.directory.parent == CARDS else card.directory
        return [beside, *weights_dirs]
    spec = importlib.util.find_spec(card.package) if card.package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        source = next((f" Source: {w.source}." for w in card.weights if w.source), "")
        raise WeightsError(
            f"{card.title} needs the Python package {card.package}, which is not installed.{source}"
        )
    return [Path(folder) for folder in spec.submodule_search_locations]


def weights_files(card: ModelCard, weights_dirs: Sequence[Path]) -> dict[str, Path]:
    """Finds and verifies the files that a model needs.

    They are looked for beside the card, then in each weights folder; or in the installed package
    that the card names, which is not imported.

    Returns:
        Paths by the name on the card.

    Raises:
        WeightsError: A file or the package is missing, or a file has the wrong hash.
    """
    roots = _roots(card, weights_dirs)
    files = {}
    for wanted in card.weights:
        source = f" Source: {wanted.source}." if wanted.source else ""
        path = next((r / wanted.name for r in roots if (r / wanted.name).is_file()), None)
        if path is None:
            places = ", ".join(str(root) for root in roots)
            raise WeightsError(
                f"{card.title} needs the file {wanted.name}, which is not in {places}.{source}"
            )
        try:
            stat = path.stat()
            digest = _sha256(path, stat.st_size, stat.st_mtime_ns)
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
        if digest != wanted.sha256:
            raise WeightsError(
                f"{path} is not the file that {card.title} needs: its SHA-256 is {digest} "
                f"and must be {wanted.sha256}.{source}"
            )
        files[wanted.name] = path
    return files


def availability(card: ModelCard, weights_dirs: Sequence[Path]) -> str | None:
    """Returns None if the model's files are there and right, else a sentence that says why not."""
    try:
        weights_files(card, weights_dirs)
    except WeightsError as error:
        return str(error)
    return None


def open_model(
    card: ModelCard, weights_dirs: Sequence[Path], device: torch.device
) -> SequenceModel:
    """Checks the weights of a model and loads it; this imports torch and ``models.<family>``.

    Raises:
        WeightsError: The weights are missing or wrong, the family is unknown, or the files do not
            describe a network that the family can build.
    """
    files = weights_files(card, weights_dirs)
    base = importlib.import_module("models.base")
    name = f"models.{card.family}"
    if not card.family.isidentifier() or importlib.util.find_spec(name) is None:
        raise WeightsError(f"{card.title}: there is no model family {card.family}.")
    module = importlib.import_module(name)
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, base.SequenceModel)
        and value.__module__ == name
    ]
    if len(classes) != 1:
        raise WeightsError(f"{card.title}: {name} must define one model class, not {len(classes)}.")
    model: SequenceModel = classes[0](card, files)
    model.load(device)
    return model
