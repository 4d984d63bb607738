"""The study files in `results/studies` make the reference records: all of them, and no others."""

import shutil
from pathlib import Path

import pytest
import yaml

from metabench.records.keys import record_digest
from metabench.records.reader import read_record
from metabench.sweep.cells import resolve
from metabench.sweep.study import points
from tests.conftest import PROJECT

STUDIES = sorted((PROJECT / "results" / "studies").glob("*.yaml"))
NEEDS_WEIGHTS = "pretrained_"  # files that are not kept; their digests are those of the machine


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*with the content of others:UserWarning", "ignore:the end of:UserWarning")
def test_nothing_is_left_to_make_and_every_record_has_its_study(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PROJECT / "results" / "reference", "results/reference")
    records = [read_record(path)[0] for path in Path("results/reference").glob("*/record.json")]
    digests = {record_digest(record): record for record in records}
    for study in STUDIES:
        if study.name.startswith(NEEDS_WEIGHTS):
            continue
        values = yaml.safe_load(study.read_text())
        cells, _ = resolve(points({**values, "data_root": str(data_root)}), threads=1)
        assert [cell.title for cell in cells if cell.digest not in digests] == []
        for cell in cells:
            digests.pop(cell.digest)
    assert [record.id for record in digests.values() if not record.weights] == []
