"""Measured contact matrices: what is in a .cool or .mcool file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.errors import BundleError
from app.genome.reference import Reference
from models.card import Biosample


@dataclass(frozen=True)
class ContactTrack:
    """A contact matrix and what is known about it.

    Attributes:
        name: Name within the dataset.
        path: The .cool or .mcool file.
        resolutions: Widths of its bins in bp, finest first.
        biosample: The cell type, or None.
        assay: E.g. ``in situ Hi-C``.
        predicted: Id of the predicted track that it belongs to, or None.
    """

    name: str
    path: Path
    resolutions: tuple[int, ...]
    biosample: Biosample | None = None
    assay: str = ""
    predicted: str | None = None

    @classmethod
    def open(
        cls,
        name: str,
        path: Path,
        reference: Reference,
        *,
        biosample: Biosample | None = None,
        assay: str = "",
        predicted: str | None = None,
    ) -> ContactTrack:
        """Checks a contact matrix against the reference.

        Raises:
            BundleError: It is missing, no cooler, damaged, or made on another assembly.
        """
        import cooler  # 0.6 s, and few bundles hold contacts

        if not path.is_file():
            raise BundleError(f"The file {path.name} does not exist.")
        if not cooler.fileops.is_cooler(str(path)) and not cooler.fileops.is_multires_file(
            str(path)
        ):
            raise BundleError(f"{path.name} is not a .cool or .mcool file.")
        resolutions = []
        try:
            for group in cooler.fileops.list_coolers(str(path)):
                matrix = cooler.Cooler(f"{path}::{group}")
                lengths = {str(k): int(v) for k, v in matrix.chromsizes.items()}
                reference.check_lengths(lengths, path.name)
                if matrix.binsize is None:
                    raise BundleError(f"The bins of {path.name} differ in width.")
                resolutions.append(int(matrix.binsize))
        except (OSError, KeyError, ValueError) as error:
            raise BundleError(f"{path.name} is damaged and cannot be read ({error}).") from error
        return cls(name, path, tuple(sorted(resolutions)), biosample, assay, predicted)
