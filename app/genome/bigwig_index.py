"""Checks where a bigWig file says that its data are, before a library believes it.

The library that reads bigWig files asks for as much memory as the index says, and the process ends
if there is not so much. Layout: Kent et al. 2010, Bioinformatics 26:2204, supplement.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

#: Offsets in the header: zoom levels, chromosome tree, index of the data, size of a block unpacked.
_HEADER = "HQ8xQ20xI"
_ZOOM = "16xQ"
_TREE_HEADER = 48
_NODE = "BxH"
_LEAF_ITEM, _BRANCH_ITEM = 32, 24
#: Largest size of a block when it is unpacked; writers use some 10 KB.
MAX_BLOCK = 2**26
#: Nodes of an index; that of 3 billion bases, each with a value of its own, has 50,000.
MAX_NODES = 1_000_000


def check_index(path: Path) -> bool:
    """Returns whether all data that a bigWig file points to lie inside the file.

    Raises:
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        order = "<" if file.read(4) == b"\x26\xfc\x8f\x88" else ">"
        try:
            file.seek(6)
            zooms, _, index, unpacked = _unpack(file, order, _HEADER)
            indices = [index]
            file.seek(64)
            indices += [_unpack(file, order, _ZOOM)[0] for _ in range(zooms)]
            return unpacked <= MAX_BLOCK and all(_check_tree(file, i, order, size) for i in indices)
        except struct.error:  # it ends too early
            return False


def _unpack(file: BinaryIO, order: str, layout: str) -> tuple[int, ...]:
    return struct.unpack(order + layout, file.read(struct.calcsize(order + layout)))


def _check_tree(file: BinaryIO, index: int, order: str, size: int) -> bool:
    """Walks an R tree: every node once, every block inside the file."""
    waiting, seen = [index + _TREE_HEADER], set[int]()
    while waiting:
        at = waiting.pop()
        if at in seen or at >= size or len(seen) > MAX_NODES:
            return False
        seen.add(at)
        file.seek(at)
        leaf, count = _unpack(file, order, _NODE)
        width = _LEAF_ITEM if leaf else _BRANCH_ITEM
        items = file.read(count * width)
        if leaf > 1 or len(items) != count * width:
            return False
        places = np.frombuffer(items, f"{order}u8").reshape(count, width // 8)[:, 2:]
        if (places > size).any():
            return False
        if leaf and (places.sum(axis=1) > size).any():
            return False
        if not leaf:
            waiting += places[:, 0].tolist()
    return True
