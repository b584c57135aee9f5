"""Searches the condition point of a gate and prints the text that uses it.

Does not know how it is found (edgesteer.monitor.condition).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgesteer.monitor.condition import FoundCondition

__all__ = ["condition"]


def condition(watch: str, options: Mapping[str, Any]) -> None:
    """Search, and say what the gate is worth on prompts that it was not chosen on."""
    from edgesteer.cli import _show
    from edgesteer.cli._progress import progress_bars
    from edgesteer.cli.monitor.fit import opened, the_layers, the_vector
    from edgesteer.errors import InputError
    from edgesteer.library import Library
    from edgesteer.monitor.condition import find_condition
    from edgesteer.monitor.examples import load_examples
    from edgesteer.names import unquote_name

    if options["tokens"] == "answer":
        raise InputError("a gate is read on the prompt", "--tokens last or --tokens mean")
    prompts = load_examples(options["find_condition"], positive_label=options["positive"])
    library = Library()
    with opened(options, library) as model:
        _, vector = the_vector(watch, library, model)
        with progress_bars() as advance:
            found = find_condition(
                model,
                vector,
                prompts,
                layers=the_layers(options, model),
                scope=options["tokens"] or "last",
                name=unquote_name(watch.strip()),
                progress=advance,
            )
        last = model.n_layer - 1
    if options["as_json"]:
        _show.print_json(_data(found))
    else:
        click.echo(found.text)
        for line in _lines(found, len(prompts), last):
            _show.note(line)


def _data(found: FoundCondition) -> dict[str, Any]:
    return {
        "if": str(found.gate),
        "scope": found.gate.scope,
        "unit": "raw",
        "text": found.text,
        "layer": found.gate.layer,
        "threshold": found.gate.threshold,
        "above": found.gate.above,
        "f1": found.f1,
        "chosen_f1": found.chosen_f1,
        "auroc": found.auroc,
        "point": vars(found.point),
        "by_layer": {str(layer): f1 for layer, f1 in found.by_layer.items()},
    }


def _lines(found: FoundCondition, n: int, last: int) -> list[str]:
    from edgesteer.cli._shade import wave

    layer = found.gate.layer or 0
    point = found.point
    layers, figures = list(found.by_layer), list(found.by_layer.values())
    return [
        f"F1 {found.f1:.2f} on the half of the {n} prompts that it was not chosen on "
        f"({found.chosen_f1:.2f} where it was chosen)",
        f"precision {point.precision:.2f}, recall {point.recall:.2f}, false alarms "
        f"{point.false_alarms:.2f}, AUROC {found.auroc:.2f}",
        f"F1 by layer {wave(figures, fixed=False, width=60)} "
        f"{min(figures):.2f}..{max(figures):.2f} at {layers[0]}-{layers[-1]}",
        f"next: edgesteer chat -s 'NAME=1@{min(layer + 1, last)}-{last}?{found.text}'",
    ]
