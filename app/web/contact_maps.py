"""The contact maps of a row as the page draws them: on at most 512 bins, with what is marked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

import numpy as np
from alphagenome.data.genome import Interval

from app.errors import BadInputError, LimitError, LocuscopeError
from app.genome.catalogue import Bundle
from app.genome.contacts import ContactMatrix, ContactTrack
from app.genome.haplotype import Haplotype
from app.genome.insulation import boundaries, insulation
from app.genome.locus import format_width
from app.genome.marks import Mark
from app.genome.matrices import (
    Floats,
    correlation,
    distances,
    expected_by_distance,
    log2_ratio,
    regrid,
)
from app.inference.alleles import Allele
from app.inference.pairs import Contacts, contacts
from app.web.rows import Part, Row, Value
from app.web.services import services
from app.web.view import margins
from models.card import LOG_RATIOS, ModelCard, Track

#: What one map shows: with edits the two alleles, and the second over the first, stand in the place
#: of what is predicted.
Shown = Literal["predicted", "reference", "alternate", "change", "observed", "difference"]

#: Most bins of a map on either side.
MAX_BINS = 512


@dataclass(frozen=True)
class ContactMap:
    """One square of contacts along the diagonal.

    Attributes:
        part: What it shows.
        track: Id of the track, or of the two tracks whose difference it is.
        start: Where the first bin starts, 0-based.
        bin: Width of a bin in bp.
        values: Symmetric, shape (bins, bins): contacts in the unit of the track, or log2 of a
            ratio; minus infinity where none was counted, NaN for no value.
        unit: What a number means.
        boundaries: Start, end and strength of each bin that insulates.
        seen: Outputs of the windows that a prediction was put together from.
        missing: Outputs of the windows that are not computed yet.
        error: Why there is no map.
    """

    part: Shown
    track: str
    start: int = 0
    bin: int = 1
    values: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))
    unit: str = ""
    boundaries: tuple[tuple[int, int, float], ...] = ()
    seen: tuple[tuple[int, int], ...] = ()
    missing: tuple[tuple[int, int], ...] = ()
    error: str = ""


@dataclass(frozen=True)
class ContactRequest:
    """What is asked of a row of contact maps.

    Attributes:
        bundle: The genome.
        card: The model; None where only measurements are shown.
        row: A row of contact maps.
        view: What is in view; the maps reach beyond it where their bins allow that.
        part: Which maps.
        value: What their numbers mean.
        haplotype: Edits of that chromosome, if there are any.
    """

    bundle: Bundle
    card: ModelCard | None
    row: Row
    view: Interval
    part: Part
    value: Value
    haplotype: Haplotype | None = None

    def __post_init__(self) -> None:
        has = {"predicted": bool(self.row.predicted), "observed": bool(self.row.observed)}
        needed = has if self.part in ("both", "difference") else {self.part: has[self.part]}
        for part, there in needed.items():
            if not there:
                raise BadInputError(f"There is no {part} contact map in this row.")

    @cached_property
    def maps(self) -> list[ContactMap]:
        """The maps from the top; one that cannot be had says why, and the other stands."""
        predicted: tuple[Shown, ...] = ("predicted",)
        if self.haplotype is not None:
            predicted = ("reference", "alternate", "change")
        parts: dict[Part, tuple[Shown, ...]] = {
            "both": (*predicted, "observed"),
            "predicted": predicted,
            "observed": ("observed",),
            "difference": ("difference",),
        }
        return [self._shielded(part) for part in parts[self.part]]

    @property
    def partial(self) -> bool:
        """Whether a prediction may still come."""
        return any(one.missing for one in self.maps)

    def agreement(self) -> tuple[float | None, int]:
        """Returns Pearson's r of the log ratios over the pairs in view, and their number.

        Of two alleles the reference is compared with what was measured.
        """
        one, other = self._paired()
        first = -((one.start - self.view.start) // one.bin)
        last = (self.view.end - one.start) // one.bin
        inside = slice(max(first, 0), max(last, 0))
        return correlation(one.values[inside, inside], other.values[inside, inside])

    def marks(self, kind: str) -> list[tuple[str, list[Mark]]]:
        """Returns the loops or domains of this cell type by the name of their set."""
        biosample = self.row.biosample
        names = {"", *((biosample.key, biosample.name) if biosample else ())}
        start, end = self._region(self.view.width)
        return [
            (one.name, one.within(self.view.chromosome, start, end))
            for one in self.bundle.marks
            if one.kind == kind and one.biosample in names
        ]

    def _shielded(self, part: Shown) -> ContactMap:
        read: dict[Shown, Callable[[], ContactMap]] = {
            "predicted": lambda: self._predicted("predicted", self.value),
            "reference": lambda: self._predicted("reference", self.value),
            "alternate": lambda: self._predicted("alternate", self.value),
            "change": self._change,
            "observed": lambda: self._observed(self.value),
            "difference": self._difference,
        }
        try:
            return read[part]()
        except LocuscopeError as error:
            return ContactMap(part, self._track(part), error=error.message)

    def _track(self, part: Shown) -> str:
        predicted = [t.id for t in self.row.predicted]
        observed = [o.track.id for o in self.row.observed]
        ids = {"observed": observed, "difference": predicted + observed}
        return " - ".join(ids.get(part, predicted))

    def _region(self, margin: int) -> tuple[int, int]:
        """Returns the view with a margin on either side, as far as the chromosome goes."""
        length = self.bundle.reference.length(self.view.chromosome)
        end = self.view.end + margin
        return max(0, self.view.start - margin), end if length is None else min(end, length)

    def _margin(self, width: int) -> int:
        """Returns how far beyond the view a map with bins of some width may reach."""
        spare = (MAX_BINS - 2) * width - int(self.view.width)
        return max(0, min(int(self.view.width), spare // 2))

    # ---- Predicted ------------------------------------------------------------------------------

    @cached_property
    def _reference(self) -> Contacts:
        return self._contacts(Allele(self.haplotype))

    @cached_property
    def _alternate(self) -> Contacts:
        return self._contacts(Allele(self.haplotype, alternate=True))

    def _contacts(self, allele: Allele) -> Contacts:
        """Reads what is predicted, in the unit of the track."""
        track = self.row.predicted[0]
        its = services()
        if self.card is None or self.view.width > its.settings.max_view:
            raise LimitError(
                f"Zoom in to {format_width(its.settings.max_view)} or less to see predictions."
            )
        coarsen = _coarsening(self.view.width, track.resolution)
        start, end = self._region(self._margin(coarsen * track.resolution))
        where = Interval(self.view.chromosome, start, end)
        asked = [self.view, *margins(self.view)]
        return contacts(
            its.predictions, self.card, self.bundle, track, where, coarsen, allele, asked
        )

    def _predicted(self, part: Shown, value: Value) -> ContactMap:
        track = self.row.predicted[0]
        found = self._alternate if part == "alternate" else self._reference
        values, unit = _in_value(found.values, track, value)
        plain = np.exp2(values) if track.unit in LOG_RATIOS else found.values
        return ContactMap(
            part,
            track.id,
            found.start,
            found.resolution,
            values,
            unit,
            _boundaries(plain, found.start, found.resolution),
            found.seen,
            found.missing,
        )

    def _change(self) -> ContactMap:
        """Returns log2 of the alternate over the reference, pair by pair."""
        track = self.row.predicted[0]
        before, after = self._reference, self._alternate
        if track.unit in LOG_RATIOS:
            values = (after.values - before.values) * np.float32(LOG_RATIOS[track.unit])
        else:
            values = log2_ratio(after.values, before.values)
        return ContactMap(
            "change",
            track.id,
            before.start,
            before.resolution,
            values,
            "log2 alternate/reference",
            seen=after.seen,
            missing=tuple(sorted({*before.missing, *after.missing})),
        )

    # ---- Observed -------------------------------------------------------------------------------

    @cached_property
    def _matrix(self) -> ContactMatrix:
        measured = cast(ContactTrack, self.row.observed[0])
        # The bins of the file that are most like those of the prediction; a fifth finer will do.
        finest = 0.8 * self.row.predicted[0].resolution if self.row.predicted else 0
        resolution = measured.nearest(max(self.view.width / (MAX_BINS - 2), finest))
        coarsen = _coarsening(self.view.width, resolution)
        start, end = self._region(self._margin(coarsen * resolution))
        return measured.matrix(self.view.chromosome, start, end, resolution, coarsen)

    def _observed(self, value: Value) -> ContactMap:
        track = self.row.observed[0].track
        found = self._matrix
        ratio = value == "ratio"
        return ContactMap(
            "observed",
            track.id,
            found.start,
            found.resolution,
            log2_ratio(found.values, found.expected) if ratio else found.values,
            "log2 observed/expected" if ratio else track.unit,
            _boundaries(found.values, found.start, found.resolution),
        )

    # ---- Both -----------------------------------------------------------------------------------

    def _paired(self) -> tuple[ContactMap, ContactMap]:
        """Returns the log ratios, predicted and observed, on the wider bins of the two."""
        predicted, observed = self._predicted("predicted", "ratio"), self._observed("ratio")
        grid = max(observed, predicted, key=lambda one: one.bin)
        return tuple(  # type: ignore[return-value] # two in, two out
            one if one is grid else _on(one, grid) for one in (predicted, observed)
        )

    def _difference(self) -> ContactMap:
        predicted, observed = self._paired()
        with np.errstate(invalid="ignore"):
            values = predicted.values - observed.values
        return ContactMap(
            "difference",
            self._track("difference"),
            predicted.start,
            predicted.bin,
            values,
            "log2 predicted/observed, each over expected",
            seen=predicted.seen,
            missing=predicted.missing,
        )


def _coarsening(view: int, resolution: int) -> int:
    """Returns how many bins become one, so that a view has no more than there may be."""
    return max(1, math.ceil(view / resolution / (MAX_BINS - 2)))


def _in_value(values: Floats, track: Track, value: Value) -> tuple[Floats, str]:
    """Returns predicted contacts as what is asked for, and its unit."""
    if track.unit in LOG_RATIOS:
        return values * np.float32(LOG_RATIOS[track.unit]), "log2 observed/expected"
    if value == "signal":
        return values, track.unit
    expected = expected_by_distance(values)[distances(len(values))] if len(values) else values
    return log2_ratio(values, expected), "log2 observed/expected"


def _on(one: ContactMap, grid: ContactMap) -> ContactMap:
    """Returns a map of log ratios on the bins of another."""
    values = regrid(one.values, one.start, one.bin, grid.start, grid.bin, len(grid.values))
    return ContactMap(
        one.part, one.track, grid.start, grid.bin, values, one.unit, (), one.seen, one.missing
    )


def _boundaries(values: Floats, start: int, width: int) -> tuple[tuple[int, int, float], ...]:
    found = boundaries(insulation(values))
    return tuple(
        (start + b * width, start + (b + 1) * width, round(strength, 3)) for b, strength in found
    )
