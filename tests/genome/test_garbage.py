"""Ten thousand damaged files: each is read or refused with a sentence, and nothing else happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COUNTS = {
    **{"vcf": 2_500, "bed": 1_500, "bedpe": 1_500, "bands": 1_000, "bigwig": 1_500},
    **{"bed12": 500, "gtf": 500, "gff3": 500, "spliceai": 500},
}


def test_there_are_ten_thousand() -> None:
    assert sum(COUNTS.values()) == 10_000


@pytest.mark.parametrize("reader", COUNTS)
def test_damaged_files_are_read_or_refused(reader: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tests.genome.garbage", reader, str(COUNTS[reader])],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    refused = int(result.stdout)
    assert 0.05 * COUNTS[reader] < refused < COUNTS[reader]
