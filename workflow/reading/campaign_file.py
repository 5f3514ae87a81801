"""The campaign in a YAML text with its overrides, and the YAML of a campaign."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from simulators.adapters.located import beside
from workflow.binding import BindingError, Problem, bind, bind_ranges
from workflow.campaign import Campaign, Range
from workflow.diagnostics import CampaignError, Diagnostic
from workflow.reading.document import Document, Location, Place, parse_document, read_document
from workflow.reading.messages import complain, model_at


def load_campaign(
    path: str | Path, overrides: Sequence[str] = (), profile: tuple[Document, str] | None = None
) -> Campaign:
    """The campaign in a YAML file.

    Args:
        path: of the file.
        overrides: ``key=value`` with dotted keys; the value is read as YAML.
        profile: a document and the key in it whose mapping stands in the place of `resources`.

    Raises:
        CampaignNotFoundError: there is no such file.
        CampaignError: with every mistake that can be seen at once.
    """
    document = read_document(Path(path))
    if profile is not None:
        document.replace("resources", *profile)
    return _campaign(document, overrides)


def parse_campaign(text: str, file: str = "campaign.yaml", overrides: Sequence[str] = ()) -> Campaign:
    """The campaign in a text; ``file`` is how messages call it.

    Raises:
        CampaignError: with every mistake that can be seen at once.
    """
    return _campaign(parse_document(text, file), overrides)


def dump(campaign: Campaign) -> str:
    """The campaign as YAML with every default filled in; reading it gives an equal campaign."""
    data = campaign.model_dump(mode="json", exclude_none=True)
    data["space"] = {
        name: {key: value for key, value in given.items() if value != []}
        for name, given in data["space"].items()
    }
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # declared as None
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def _campaign(document: Document, overrides: Sequence[str]) -> Campaign:
    if document.data is None and not overrides:
        document.complain(Place(document.file, 1, 1), "the file is empty; `mlaround init` writes a first one")
        raise CampaignError(document.mistakes)
    for number, override in enumerate(overrides, 1):
        _override(document, number, override)
    campaign = None
    try:
        campaign = Campaign.model_validate(
            {} if document.data is None else document.data, context=beside(Path(document.file))
        )
        bind(campaign)
    except ValidationError as error:
        complain(document, error.errors(include_url=False))
        _complain_of_space(document)
    except BindingError as error:
        _complain_of(document, error.problems)
    if document.mistakes or campaign is None:
        raise CampaignError(sorted(document.mistakes, key=partial(_in_order, document.file)))
    return campaign


def _in_order(first: str, diagnostic: Diagnostic) -> tuple[bool, bool, int, int, str]:
    line, column, file = diagnostic.line, diagnostic.column, diagnostic.file
    return line == 0, file != first, line, column, file


def _complain_of_space(document: Document) -> None:
    """Bind the ranges that parse, although something else does not."""
    simulator: Any = model_at(("simulator",), document.data)
    space = document.data.get("space") if isinstance(document.data, dict) else None
    if simulator is None or not isinstance(space, dict):
        return
    ranges, broken = {}, set()
    for name, given in space.items():
        try:
            ranges[name] = TypeAdapter(Range).validate_python(given)
        except ValidationError:
            broken.add(name)
    given, inputs = document.data["simulator"], simulator.inputs
    if isinstance(inputs, property):  # declared by its configuration
        try:
            inputs = simulator.model_validate(given, context=beside(Path(document.file))).inputs
        except ValidationError:
            return
    _complain_of(document, bind_ranges(given["kind"], inputs, ranges, broken)[1])


def _complain_of(document: Document, problems: list[Problem]) -> None:
    for problem in problems:
        document.complain(document.place(problem.location, at_key=problem.at_key), problem.message)


def _override(document: Document, number: int, override: str) -> None:
    """Put one ``key=value`` in the place of what the file says."""
    label = f"--set #{number}: {override}"
    place = Place(label, 0, 0)
    dotted, equals, text = override.partition("=")
    if not equals or not dotted.strip():
        document.complain(place, "an override is key=value, such as --set stop.simulations=64")
        return
    try:
        value = parse_document(text, label).data
    except CampaignError as error:
        document.complain(place, error.diagnostics[0].message)
        return
    *above, last = _steps(dotted)
    if not isinstance(document.data, dict):
        document.data = {}
    target: Any = document.data
    location: Location = ()
    for step in above:
        step = str(step) if isinstance(target, dict) else step
        location = (*location, step)
        if isinstance(target, dict) and target.get(step) is None:
            target[step] = {}
            document.values[location] = document.keys[location] = place
        target = _child(target, step)
        if not isinstance(target, (dict, list)):
            name = ".".join(map(str, location))
            document.complain(place, f"`{name}` is no mapping, so that it has no `{last}`")
            return
    if isinstance(target, list):
        if not isinstance(last, int) or last >= len(target):
            document.complain(place, f"`{last}` is no item of a list of {len(target)}; count from 0")
            return
    else:
        last = str(last)
    target[last] = value
    location = (*location, last)
    _forget(document, location)
    document.values[location] = document.keys[location] = place


def _steps(dotted: str) -> Location:
    return tuple(int(s) if s.isdecimal() else s for s in dotted.strip().split("."))


def _child(target: Any, step: str | int) -> Any:
    if isinstance(target, dict):
        return target.get(step)
    if isinstance(target, list) and isinstance(step, int) and step < len(target):
        return target[step]
    return None


def _forget(document: Document, location: Location) -> None:
    """Drop the places of what an override replaced."""
    for places in (document.values, document.keys):
        for known in [k for k in places if k[: len(location)] == location]:
            del places[known]
