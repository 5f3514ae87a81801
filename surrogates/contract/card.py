"""The model card: what a model maps, how good it is, what it rests on and where it ends."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from surrogates.contract.signature import Signature

MEANING = {
    "success": "fraction within 2 standard errors of the simulation (0.954 for a perfect model)",
    "rms_z": "rms of (simulation - prediction) / sqrt(std^2 + standard error^2); 1 is calibrated",
    "coverage": "fraction inside the 95 % interval of the same z",
    "median_relative_error": "median of |prediction - simulation| / |simulation|",
    "rmse": "root mean square error, in the target's unit",
}


def card(
    kind: str,
    recipe: Mapping[str, Any],
    signature: Signature,
    domain: Mapping[str, Any],
    training: Mapping[str, Any],
    std_factor: float | None,
    scores: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> str:
    """The card in Markdown.

    `domain` holds the fields of a `Domain` and ``n``, the number of training rows; `scores` is as
    `held_out_scores` gives them and may be empty; the rest are the fields of a `Model`.
    """
    lines = [f"# Model card: {kind}", ""]
    lines += [f"Learned from {domain['n']} simulations.", "", "## Inputs", ""]
    lines += ["| input | unit | domain |", "|---|---|---|"]
    for k, feature in enumerate(signature.features):
        if feature.choices:
            accepted = ", ".join(f"{c:g}" for c in feature.choices)
        elif feature.low == feature.high:
            accepted = f"{feature.low:g} (constant)"
        else:
            accepted = f"{domain['low'][k]:g} to {domain['high'][k]:g}"
        lines.append(f"| {feature.name} | {feature.unit} | {accepted} |")
    lines += ["", "## Outputs", "", "| output | unit | values | obeys |", "|---|---|---|---|"]
    for target in signature.targets:
        size = f"{signature.size(target)} over {target.axis}" if target.axis else "1"
        law = f"average = {target.average}" if target.average else ""
        lines.append(f"| {target.name} | {target.unit} | {size} | {law} |")
    lines += ["", "## Scores on held-out simulations", ""]
    if scores.get("targets"):
        lines += [f"{scores['n']} simulations that the fit never saw.", ""]
        lines += [f"| output | {' | '.join(MEANING)} |", "|---" * (len(MEANING) + 1) + "|"]
        for name, row in {**scores["targets"], "overall": scores["overall"]}.items():
            cells = [f"{row[m]:.4g}" if m in row else "" for m in MEANING]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines += ["", *(f"- `{name}`: {text}." for name, text in MEANING.items())]
    else:
        lines.append("Not scored yet.")
    lines += ["", "## Limits", ""]
    lines += [
        "Inside the ranges above, no further than "
        f"{domain['distance_limit']:.3g} box widths from a training simulation, and where the predicted "
        f"std is below {domain['spread_limit']:.3g} of the outputs' variation. Outside, answers come "
        "with a warning and are not to be believed.",
        "",
        f"`std` is the error of the predicted mean, {_calibration(std_factor)}; "
        "it does not include the noise of a single simulation or any error of the simulator's physics.",
    ]
    lines += ["", "## Training", "", *_list(training), "", "## Recipe", "", *_list(recipe)]
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    lines += ["", "## Provenance", "", *_list({**provenance, "read with": versions}), ""]
    return "\n".join(lines)


def _calibration(std_factor: float | None) -> str:
    if std_factor is None:
        return "calibrated on simulations that were left out of parts of the fit"
    return (
        f"multiplied by {std_factor:.3g}, with which it fits the held-out simulations "
        "(rms_z and coverage above are of bars that the other half of them set)"
    )


def _list(entries: Mapping[str, Any]) -> list[str]:
    return [f"- {name}: {_text(value)}" for name, value in entries.items()]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    if isinstance(value, list) and len(value) > 12:
        return f"{len(value)} values"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
