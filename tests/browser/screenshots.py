"""Pictures of the dashboard's pages, taken of real runs: `make screenshots`.

    python tests/browser/screenshots.py FOLDER [RUNS]

FOLDER gets the pictures. RUNS is a folder with the runs `slit_density` and `charged_sphere`; without it
both campaigns are run first, which takes some minutes.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chromium import launched
from painted import painted, settled
from playwright.sync_api import Browser
from served import dashboard
from watched import Watched

CAMPAIGNS = Path(__file__).resolve().parents[2] / "campaigns"

RUNS = {"slit_density": (), "charged_sphere": ()}
"""Runs that pages are shown of, the first that has a page, each with what is overridden in its campaign."""

SIZES = {"": (1440, 900), "-narrow": (1024, 768)}
THEMES = ("light", "dark")

COLOURS = 128
"""Of a picture: enough for text with smooth edges and a scale of colours."""


def run_all(place: Path) -> None:
    """Run the campaigns that pages are shown of."""
    for name, overrides in RUNS.items():
        options = [option for override in overrides for option in ("--set", override)]
        command = [sys.executable, "-m", "workflow.cli", "run", str(CAMPAIGNS / f"{name}.yaml")]
        print(f"running {name}", flush=True)
        subprocess.run(
            [*command, "--run", str(place / name), *options], check=True, stdout=subprocess.DEVNULL
        )


@contextmanager
def runs(given: str | None) -> Iterator[Path]:
    """A folder with the runs."""
    if given is not None:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="mlaround-pictures-") as place:
        run_all(Path(place))
        yield Path(place)


def small(png: bytes) -> bytes:
    """The same picture with fewer colours, in about a third of the bytes."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    reduced = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def take(browser: Browser, url: str, folder: Path, only: set[str]) -> None:
    """Take all pictures; ``only`` names pages, all of them if it is empty."""
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            view = {"width": width, "height": height}
            watched = Watched(browser, color_scheme=theme, viewport=view, reduced_motion="reduce")
            page = watched.open(url)
            page.locator("header h1").first.wait_for()
            about = "Promise.all(runs.map((run) => fetch(`api/runs/${run}`).then((answer) => answer.json())))"
            names = {"campaigns": "#/"}
            for run in page.evaluate(f"(runs) => {about}", list(RUNS)):
                for one in run["pages"]:
                    names.setdefault(one["name"], f"#/{run['name']}/{one['name']}")
            for name, to in names.items():
                if only and name not in only:
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
            take(browser, server.url, folder, only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
