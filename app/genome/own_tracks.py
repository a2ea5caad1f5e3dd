"""Tracks that visitors bring: kept on this server under the hash of their content."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.errors import BadInputError, LimitError, LocuscopeError, NotFoundError
from app.genome.catalogue import Bundle
from app.genome.features import FeatureFile
from app.genome.own_files import LINES, MAX_BYTES
from app.genome.remote import fetch
from app.genome.signals import ObservedTrack
from models.card import Track

#: Most bytes of all tracks together; beyond it those go that nobody has looked at for longest.
KEPT_BYTES = 2 * 2**30
#: Of what is kept of a file; another one reads files anew.
VERSION = 2
#: Most tracks of one view.
MAX_TRACKS = 20
#: Seconds that reading one file may take.
READING_S = 120
MAX_NAME = 60

_ENDINGS = {
    ".bed": "bed",
    ".narrowpeak": "narrowpeak",
    ".bedgraph": "bedgraph",
    ".bdg": "bedgraph",
    ".bg": "bedgraph",
    ".bw": "bigwig",
    ".bigwig": "bigwig",
    ".vcf": "vcf",
}
_ID = re.compile("[0-9a-f]{32}")
ENDINGS_TEXT = ".bed, .narrowPeak, .bedGraph, .bw, .bigWig, .vcf, and the texts also as .gz"


@dataclass(frozen=True)
class OwnTracks:
    """The folder in which they are kept, one folder a track.

    Whoever knows the hash of a content can see it; nobody can list what others have brought.

    Attributes:
        folder: Where they are kept.
    """

    folder: Path

    def add(
        self, data: bytes, name: str, bundle: Bundle, address: str = ""
    ) -> tuple[str, dict[str, Any]]:
        """Reads a file and keeps its signal.

        Args:
            data: Its content.
            name: What the visitor calls it; its ending says what it is.
            bundle: The genome for which it is meant.
            address: Where it was fetched from, if it was; kept unless it has a query, which may
                hold a secret.

        Returns:
            The id of the track, and what is known about it: ``name``, ``unit``, the number of
            ``lines`` and how many were ``skipped``.

        Raises:
            BadInputError: It is not what its name says, damaged, or of another genome.
            LimitError: It is too large.
        """
        if len(data) > MAX_BYTES:
            raise LimitError(f"A file has at most {MAX_BYTES // 2**20} MiB.")
        kind, shown = _kind(name), _clean(name)
        genome = bundle.reference.checksum
        about = {"name": shown, "kind": kind, "genome": genome}
        if address and not urlsplit(address).query:
            about["address"] = address
        named = [genome, shown, kind, VERSION, *filter(None, [about.get("address")])]
        digest = hashlib.sha256(json.dumps(named).encode())
        digest.update(data)
        id_ = digest.hexdigest()[:32]
        target = self.folder / id_
        if not target.is_dir():
            self._make(target, data, kind, bundle, about)
            self._make_room(target)
        return id_, self._about(id_)

    def _make(
        self, target: Path, data: bytes, kind: str, bundle: Bundle, about: dict[str, Any]
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="part-") as made:
            # The readers of bigWig look at the ending of its name.
            source = Path(made) / ("source.bw" if kind == "bigwig" else "source")
            out = Path(made) / "kept" / "signal.bw"
            out.parent.mkdir()
            source.write_bytes(data)
            lengths = {n: bundle.reference.length(n) for n in bundle.reference.chromosomes}
            about |= _read(source, kind, out, lengths)
            if kind == "bigwig":
                source.replace(out)
            (out.parent / "about.json").write_text(json.dumps(about), encoding="utf-8")
            try:
                _open(out.parent, "", about, bundle)
            except LocuscopeError as error:
                raise BadInputError(error.message.replace(out.name, about["name"])) from error
            if not target.is_dir():  # another visitor may have been quicker
                out.parent.replace(target)

    def _make_room(self, newest: Path) -> None:
        kept = sorted(
            (path for path in self.folder.iterdir() if _ID.fullmatch(path.name)),
            key=lambda path: (path == newest, path.stat().st_mtime),
        )
        sizes = [sum(file.stat().st_size for file in path.iterdir()) for path in kept]
        excess = sum(sizes) - KEPT_BYTES
        for path, size in zip(kept[:-1], sizes, strict=False):
            if excess > 0:
                shutil.rmtree(path, ignore_errors=True)
                excess -= size

    def _about(self, id_: str) -> dict[str, Any]:
        path = self.folder / id_ / "about.json"
        if not _ID.fullmatch(id_) or not path.is_file():
            raise NotFoundError(
                "An own track of this link is not kept here any more. Load its file again."
            )
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return about

    def open(self, id_: str, bundle: Bundle) -> ObservedTrack:
        """Opens a track.

        Raises:
            NotFoundError: It is not kept here (any more), or is of another genome.
        """
        about = self._about(id_)
        if about["genome"] != bundle.reference.checksum:
            raise NotFoundError(f"{about['name']} was loaded for another genome.")
        (self.folder / id_).touch()
        return _open(self.folder / id_, id_, about, bundle)

    def read(self, file: str, bundle: Bundle) -> ObservedTrack:
        """Reads a file by its path or by its https address, for programs.

        Args:
            file: The path; or the address, on any host of the open internet.
            bundle: The genome for which it is meant.

        Raises:
            BadInputError: It is not what its name says, damaged, of another genome, or nothing
                comes from the address.
            LimitError: It is too large.
        """
        if file.startswith("https://"):
            parts = urlsplit(file)
            name, data = fetch(file, (parts.hostname or "", parts.netloc.lower()), MAX_BYTES)
        else:
            name, data = file, Path(file).read_bytes()
        id_, _ = self.add(data, name, bundle)
        return self.open(id_, bundle)

    def source(self, id_: str) -> str:
        """Returns the address from which a track was fetched, or else the name of its file."""
        about = self._about(id_)
        return str(about.get("address") or about["name"])

    def with_own(self, bundle: Bundle, ids: Iterable[str]) -> Bundle:
        """Returns a genome with these tracks among those that were measured."""
        own = [self.open(id_, bundle) for id_ in ids]
        if not own:
            return bundle
        return replace(bundle, tracks=bundle.tracks | {one.track.id: one for one in own})


def own_ids(track_ids: Iterable[str]) -> list[str]:
    """Returns which own tracks are among some track ids."""
    parts = (id_.split("/") for id_ in track_ids)
    return list(dict.fromkeys(words[1] for words in parts if words[0] == "own" and len(words) > 1))


def _open(folder: Path, id_: str, about: dict[str, Any], bundle: Bundle) -> ObservedTrack:
    track = Track(
        id=f"own/{id_}/{about['name']}/.",
        modality="OWN",
        name=about["name"],
        strand=".",
        resolution=1,
        unit=about["unit"],
    )
    opened = ObservedTrack.open(track, folder / "signal.bw", bundle.reference)
    lines = folder / LINES
    if not lines.is_file():
        return opened
    return replace(opened, features=FeatureFile(lines, about["kind"]))


def _kind(name: str) -> str:
    ending = Path(name.lower().removesuffix(".gz")).suffix
    if ending not in _ENDINGS:
        raise BadInputError(f"The name of the file must end in {ENDINGS_TEXT}.")
    return _ENDINGS[ending]


def _clean(name: str) -> str:
    """Returns the last part of a path, in characters that mean nothing anywhere."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^\w .()+-]", "_", last)[-MAX_NAME:].strip() or "track"


def _read(source: Path, kind: str, out: Path, lengths: dict[str, int | None]) -> dict[str, Any]:
    """Has a file read by a process of its own, which may die of it."""
    asked = {"path": str(source), "kind": kind, "out": str(out), "lengths": lengths}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.genome.own_files"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=READING_S,
            cwd=Path(__file__).parents[2],
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise LimitError(f"Reading this file takes longer than {READING_S} s.") from None
    except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
        raise BadInputError("This file is damaged, or not what its name says.") from error
    if "error" in answer:
        raise (LimitError if answer["limit"] else BadInputError)(answer["error"])
    return answer
