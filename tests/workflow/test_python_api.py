import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

WELLS = """
name: wells
simulator: {kind: harmonic, samples: 400}
space:
  stiffness: [1, 10]
  temperature: [0.5, 2]
surrogate: {kind: gaussian_process}
steering: {kind: sobol}
training: {first: 20, every: 20, held_out: 0.25}
stop: {simulations: 60}
resources: {kind: threads, workers: 1}
"""


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("wells.yaml").write_text(WELLS)
    blocks = re.findall(
        r"```python\n(.*?)```", (DOCS / "python-api.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "python-api.md", "exec"), names)
    assert names["energy"].stats.lookups > 5  # type: ignore[attr-defined]
    assert "±" in capsys.readouterr().out
