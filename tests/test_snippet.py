"""The program that the page offers computes the very numbers of the page."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.settings import Settings
from app.web.server import create_app
from tests.conftest import REPOSITORY
from tests.test_teaching_bundle import FOLDER, bundle  # noqa: F401 - a fixture

HIC = "teaching/CONTACT_MAPS/thymocyte-Hi-C/."
DNASE = "teaching/DNASE/thymocyte-DNase/."
ARCS = "teaching/SPLICE_JUNCTIONS/thymocyte-junctions"
ISM = f"chrT1:696357-696361;track={DNASE};mask=chrT1:696001-696700;score=lfc"
#: Two steps of a thousand bases, the first at the 1,001st base of the view.
STEPS = "chrT1\t695000\t696000\t2.5\nchrT1\t696000\t697000\t4\n"
DUMP = """
values = {f"{i} {k}": v[2] for i, one in enumerate(predictions) for k, v in one.items()}
values["start"] = [predictions[0][id_].start for _, ids in MAPS for id_ in ids]
values["effects"], values["places"] = effects.values, mutated.places
np.savez("values.npz", **values, **{k: v[2] for k, v in observed.items()})
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(genomes=str(FOLDER), cache_dir=tmp_path / "cache")


def test_program_reproduces_the_view(bundle, settings, tmp_path):  # noqa: F811
    client = create_app(settings).server.test_client()
    brought = client.post(
        "/api/v1/own?genome=teach1&name=steps.bedGraph",
        data=STEPS.encode(),
        content_type="application/octet-stream",
    ).json
    query = (
        f"genome=teach1&locus=chrT1:694001-698000&model=teaching&track={DNASE}&track={ARCS}"
        f"&track=teaching/CAGE/thymocyte-CAGE&track={HIC}&variant=chrT1:696359:A%3EC&ism={ISM}"
        f"&own={brought['id']}&track={brought['row']}"
    )
    program = client.get(f"/api/v1/export.py?{query}")
    assert program.headers["Content-Disposition"].startswith(
        'attachment; filename="locuscope_simulated_teach1_chrT'
    )
    assert "'steps.bedGraph',  # put the path of this file here\n" in program.text
    shutil.rmtree(settings.cache_dir / "own")  # the program has the file, not what the page keeps
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "steps.bedGraph").write_text(STEPS)
    script = tmp_path / "view.py"
    with_path = program.text.replace("'steps.bedGraph',", "'mine/steps.bedGraph',")
    script.write_text(with_path + DUMP)
    subprocess.run(
        [sys.executable, script],
        check=True,
        cwd=tmp_path,
        env=os.environ
        | {
            "LOCUSCOPE_GENOMES": str(FOLDER),
            "LOCUSCOPE_CACHE_DIR": str(settings.cache_dir),
            "PYTHONPATH": str(REPOSITORY),
            "MPLBACKEND": "agg",
        },
    )
    (picture,) = tmp_path.glob("locuscope_simulated_*.svg")
    text = picture.read_text()
    assert text.count("<path") > 10
    assert "<image" in text  # the contact map
    # What the program has computed is stored, so that the page has it without a worker.
    answer = client.get(f"/api/v1/export.tsv?{query}")
    assert answer.status_code == 200, answer.text
    assert "# simulated: True" in answer.text
    table = pd.read_csv(io.StringIO(answer.text), sep="\t", comment="#")
    prefix = {"reference": "0 ", "alternate": "1 ", "observed": ""}
    with np.load(tmp_path / "values.npz") as values:
        groups = table.groupby(["source", "track"], sort=False)
        assert (
            len(groups) == 2 * 3 + 4
        )  # DNase and both strands of CAGE, of either allele; observed, and brought
        for (source, track), group in groups:
            known = values[prefix[source] + track]
            np.testing.assert_array_equal(group.value.to_numpy(np.float32), known)
        steps = values[brought["row"]]
        assert np.flatnonzero(np.diff(np.nan_to_num(steps))).tolist() == [999, 1999, 2999]
        assert steps[[1000, 2000]].tolist() == [2.5, 4]
        contacts, (start,) = values[f"0 {HIC}"], values["start"]
        # What mutagenesis says of the edit is what the two alleles say, each in its own window.
        ref, alt = (values[f"{i} {DNASE}"][2000:2700].mean() for i in range(2))
        assert values["places"].tolist() == list(range(696_356, 696_361))
        effect = values["effects"][2]
        assert effect[0] == 0
        assert effect[1] == pytest.approx(np.log((alt + 0.001) / (ref + 0.001)), rel=0.1)
        assert effect[1] > 0.1
    archive = client.get(f"/api/v1/export.zip?{query}&only={HIC}")
    with zipfile.ZipFile(io.BytesIO(archive.data)) as zipped:
        (name,) = (n for n in zipped.namelist() if n.endswith(".CONTACT_MAPS_thymocyte-Hi-C.bedpe"))
        text = zipped.read(name).decode()
    assert "# simulated: True" in text
    pairs = pd.read_csv(io.StringIO(text), sep="\t", comment="#", header=None)
    first, second = (pairs[1] - start) // 2048, (pairs[4] - start) // 2048
    assert len(pairs) == len(contacts) * (len(contacts) + 1) // 2
    assert pairs[7].to_numpy() == pytest.approx(contacts[first, second], rel=1e-5)
