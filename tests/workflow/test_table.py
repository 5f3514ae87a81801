from __future__ import annotations

import csv
import io

import numpy as np
from small_run import small_run

from workflow import open_run, table
from workflow.table import csv_blocks, write_table


def test_the_three_forms_are_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "ROWS", 7)  # so that there are several pieces, and a rest
    run = open_run(small_run())
    frame, columns = run.results(), run.result_columns()
    assert list(frame) == [
        *("replica", "task", "held_out", "stiffness", "temperature"),
        *("mean_square", "mean_square_stderr", "state", "wall_seconds", "seed", "asked", "failure"),
    ]
    rows = list(csv.reader(io.StringIO("".join(csv_blocks(columns)))))
    assert rows[0] == [column.head for column in columns]
    for name, values in zip(frame, zip(*rows[1:], strict=True), strict=True):
        if frame[name].dtype.kind in "iufb":
            given = np.array([float(v) if v else np.nan for v in values])
            np.testing.assert_array_equal(given, frame[name].astype(float))
        else:
            assert list(values) == list(frame[name])

    class Folder:
        results_csv = tmp_path / "results.csv"

    write_table(Folder, run.record, run.campaign.simulator, run.space, run.campaign.seed)
    assert Folder.results_csv.read_text() == "".join(csv_blocks(columns))


def test_a_failure_is_told_where_numbers_are_missing():
    frame = open_run(small_run()).results()
    failed = frame["state"] == "failed"
    assert failed.any()
    assert frame["failure"][failed].str.contains("too stiff").all()
    assert (frame["failure"][~failed] == "").all()
    assert frame["mean_square"].isna().equals(failed)


def test_a_run_that_has_not_begun_has_an_empty_table(tmp_path):
    from shutil import copytree

    folder = copytree(small_run(), tmp_path / "run")
    (folder / "events.jsonl").write_text("")
    frame = open_run(folder).results()
    assert len(frame) == 0
    assert "mean_square_stderr" in frame
