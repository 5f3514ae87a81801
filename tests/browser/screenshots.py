"""Pictures of the dashboard's pages, taken of real runs: `make screenshots`.

    python tests/browser/screenshots.py FOLDER [RUNS [PAGE ...]]

FOLDER gets the pictures. RUNS is a folder with runs of the names below; those that it lacks are run first,
which takes some minutes. The overview is of a run that goes on meanwhile, the tasks are of one whose
simulations fail in a part of its space.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chromium import launched
from painted import painted, settled
from playwright.sync_api import Browser
from served import dashboard
from watched import Watched

HERE = Path(__file__).resolve().parent
CAMPAIGNS = HERE.parents[1] / "campaigns"

RUNS = {
    "slit_density": CAMPAIGNS / "slit_density.yaml",
    "charged_sphere": CAMPAIGNS / "charged_sphere.yaml",
    "oscillator": HERE / "oscillator.yaml",
}
"""Runs that pages are shown of, the first that has a page, and their campaigns."""
GOING = "slit_going"
"""The run that goes on."""
SHOWN_OF = {"overview": GOING, "tasks": "oscillator"}
"""Pages that are shown of a certain run."""
MOVING = {"campaigns", "overview"}
"""Pages that are shown while a run goes on."""
STILL = {"tasks", "timeline", "surrogate", "observables", "coverage", "autotune", "whatif", "provenance"}
"""The others."""

SIZES = {"": (1440, 900), "-narrow": (1024, 768)}
THEMES = ("light", "dark")

COLOURS = 128
"""Of a picture: enough for text with smooth edges and a scale of colours."""


def command(campaign: Path, folder: Path, *options: str) -> list[str]:
    """What runs a campaign in a folder."""
    return [sys.executable, "-m", "workflow.cli", "run", str(campaign), "--run", str(folder), *options]


def status(folder: Path) -> dict[str, Any]:
    """How a run stands."""
    found: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return found


@contextmanager
def runs(given: str | None) -> Iterator[Path]:
    """A folder with all runs: those given, and the others as they were run here."""
    with tempfile.TemporaryDirectory(prefix="mlaround-pictures-") as name:
        place = Path(name)
        for run, campaign in RUNS.items():
            if given is not None and (Path(given) / run).is_dir():
                (place / run).symlink_to((Path(given) / run).resolve())
                continue
            print(f"running {run}", flush=True)
            subprocess.run(command(campaign, place / run), stdout=subprocess.DEVNULL)
            if status(place / run)["state"] != "finished":  # what failed in it is what shall be seen
                raise RuntimeError(f"{run} was not run to its end")
        yield place


@contextmanager
def going(place: Path) -> Iterator[None]:
    """A run that goes on: it has a second model and is about half done."""
    options = ("--set", "simulator.steps=20000", "--set", "stop.simulations=250")
    print(f"starting {GOING}", flush=True)
    campaign = RUNS["slit_density"]
    process = subprocess.Popen(command(campaign, place / GOING, *options), stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None and not (place / GOING / "status.json").is_file():
            time.sleep(1)
        while process.poll() is None:
            time.sleep(1)
            if (status(place / GOING)["model"]["version"] or 0) > 1:
                break
        yield
    finally:
        process.terminate()
        process.wait()


def small(png: bytes) -> bytes:
    """The same picture with fewer colours, in about a third of the bytes."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    reduced = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def take(browser: Browser, url: str, place: Path, folder: Path, chosen: set[str]) -> None:
    """Take all pictures of the chosen pages."""
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            view = {"width": width, "height": height}
            watched = Watched(browser, color_scheme=theme, viewport=view, reduced_motion="reduce")
            page = watched.open(url)
            page.locator("header h1").first.wait_for()
            about = "Promise.all(runs.map((run) => fetch(`api/runs/${run}`).then((answer) => answer.json())))"
            names = {"campaigns": "#/"}
            known = [run for run in [*RUNS, GOING] if (place / run).is_dir()]
            for run in page.evaluate(f"(runs) => {about}", known):
                for one in run["pages"]:
                    if SHOWN_OF.get(one["name"], run["name"]) == run["name"]:
                        names.setdefault(one["name"], f"#/{run['name']}/{one['name']}")
            for name, to in names.items():
                if name not in chosen:
                    continue
                page.evaluate("to => { location.hash = to; }", to)
                if name != "campaigns":
                    painted(page)
                settled(page)
                path = folder / f"{name}{size}{'-dark' if theme == 'dark' else ''}.png"
                path.write_bytes(small(page.screenshot()))
                print(f"{path} {path.stat().st_size / 1000:.0f} kB", flush=True)
            problems = watched.problems()
            watched.close()
            if problems:
                print("\n".join(problems), file=sys.stderr)


def main() -> int:
    """Take the pictures that the documentation shows."""
    folder = Path(sys.argv[1])
    only = {name for name in sys.argv[3:]}
    folder.mkdir(parents=True, exist_ok=True)
    with runs(sys.argv[2] if len(sys.argv) > 2 else None) as place, launched() as browser:
        if browser is None:
            print("no browser: no pictures were taken", file=sys.stderr)
            return 3
        with dashboard(place) as server:
            if not only or only & MOVING:
                with going(place):
                    take(browser, server.url, place, folder, MOVING & (only or MOVING))
            take(browser, server.url, place, folder, (only or STILL) - MOVING)
    return 0


if __name__ == "__main__":
    sys.exit(main())
