"""`edgesteer vectors show`: one vector, its layers, norms, band and origin.

Does not know what the vector does to a model.
"""

from __future__ import annotations

from typing import Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors


@click.command()
@click.argument("vector", shell_complete=files_or_vectors)
@shared.json_option
@shared.output_options
def show(vector: str, as_json: bool) -> None:
    """Show a vector's layers, norms, calibrated band and where it came from.

    VECTOR is a name in the library or a file.
    """
    from edgesteer.cli import _show
    from edgesteer.cli.vectors._facts import full
    from edgesteer.library import Library
    from edgesteer.vector import ControlVector

    path = Library().find_vector(vector)
    loaded = ControlVector.load(path)
    facts = full(loaded.name or path.stem, str(path), loaded)
    if as_json:
        _show.print_json(facts)
        return
    _show.facts(_lines(facts, _show.sparkline(loaded.norms().values())), 16)


def _lines(facts: dict[str, Any], picture: str) -> list[tuple[str, str]]:
    norms = list(facts["norms"].values())
    band, model = facts["strength"], facts["model"]
    lines = [
        ("name", facts["name"]),
        ("file", facts["path"]),
        ("layers", f"{facts['layers']} (width {facts['n_embd']})"),
        ("recommended", facts["recommended"] or "all that it carries"),
        ("norms", f"{picture}  {min(norms):.3g}..{max(norms):.3g}"),
        ("strength", f"{band['low']:g}..{band['high']:g}, calibrated so that 1 is right")
        if band
        else ("strength", "not calibrated"),
        (
            "model",
            f"{model['name'] or 'unnamed'} ({model['architecture']}, {model['n_layer']} layers, "
            f"width {model['n_embd']})"
            if model
            else "not known: rebind it with 'edgesteer vectors import FILE -m MODEL'",
        ),
    ]
    lines += [(key, _short(value)) for key, value in sorted(facts["meta"].items())]
    return [*lines, ("digest", facts["digest"][:16])]


def _short(value: Any) -> str:
    """A fact on one line: a list of numbers as a picture, a report as its verdict."""
    if isinstance(value, list) and value and all(isinstance(x, (int, float)) for x in value):
        from edgesteer.cli._show import sparkline

        return f"{sparkline(value)}  {min(value):.3g}..{max(value):.3g}"
    text = str(value.get("verdict", value) if isinstance(value, dict) else value)
    return text if len(text) <= 100 else f"{text[:97]}..."
