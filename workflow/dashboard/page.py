"""Pages of a run: each file of `workflow.dashboard.pages` is one, shown where the campaign has its data."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow.run import Run
from workflow.words import plain_data

PAGES = "workflow.dashboard.pages"

Choice = str | int | float | None


@dataclass(frozen=True)
class FigureBlock:
    """A figure of `workflow.plots.Plots` with what can be chosen about it.

    Args:
        name: the method.
        options: option -> its value at first.
        choices: option -> the values that the reader may choose from; ``None`` leaves it to the figure. At
            first it is the one in `options`, else the first one.
        labels: option -> how it is called, where its own name would not do.
        unset: option -> how ``None`` is called.
    """

    name: str
    options: Mapping[str, Choice] = field(default_factory=dict)
    choices: Mapping[str, Sequence[Choice]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    unset: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True)
class TableBlock:
    """A table; `numbers` are the columns to align right."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numbers: Sequence[int] = ()
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class TextBlock:
    """Paragraphs under a title."""

    title: str
    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class CodeBlock:
    """Text in its own lines, such as commands; `folded` shows it only when asked for."""

    title: str
    text: str
    folded: bool = False
    kind: Literal["code"] = "code"


@dataclass(frozen=True)
class YamlBlock:
    """YAML, each line with whether the user gave it: ``{"text": ..., "given": ...}``."""

    title: str
    lines: Sequence[Mapping[str, Any]]
    kind: Literal["yaml"] = "yaml"


@dataclass(frozen=True)
class FilesBlock:
    """Files of the run folder to be downloaded: path, what it is, and bytes."""

    title: str
    files: Sequence[Mapping[str, Any]]
    kind: Literal["files"] = "files"


Block = FigureBlock | TableBlock | TextBlock | CodeBlock | YamlBlock | FilesBlock


def _always(run: Run) -> bool:
    return True


def _nothing(run: Run) -> list[Block]:
    return []


@dataclass(frozen=True)
class Page:
    """A page of the dashboard. The name of its file names it in addresses.

    Args:
        title: in the navigation.
        order: among the pages.
        script: module of ``static/pages`` that draws it; ``analysis`` draws the blocks of any page.
        shown: whether a campaign has what the page is about.
        intro: a sentence or two above the blocks.
        blocks: what is on it by now.
    """

    title: str
    order: int
    script: str = "analysis"
    shown: Callable[[Run], bool] = _always
    intro: str = ""
    blocks: Callable[[Run], Sequence[Block]] = _nothing


def find_pages(package: str = PAGES) -> dict[str, Page]:
    """The pages in a package, in their order: name -> page."""
    found = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        page = getattr(importlib.import_module(f"{package}.{module.name}"), "PAGE", None)
        if isinstance(page, Page):
            found[module.name] = page
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


def pages_of(run: Run) -> list[dict[str, str]]:
    """The pages that this run's campaign has, as the descriptor of the run lists them."""
    return [
        {"name": name, "title": page.title, "script": page.script}
        for name, page in find_pages().items()
        if page.shown(run)
    ]


def content(page: Page, run: Run) -> dict[str, Any]:
    """A page as plain data."""
    blocks = [dict(vars(block)) for block in page.blocks(run)]
    data: dict[str, Any] = plain_data({"title": page.title, "intro": page.intro, "blocks": blocks})
    return data


def varied(run: Run) -> list[str]:
    """Names of the inputs that the campaign varies."""
    return [d.name for d in run.space.dimensions if d.low != d.high]
