"""Audits a read-out: a table, a verdict in words, JSON and a page.

Does not know how it is measured (edgesteer.monitor.audit) nor judged (edgesteer.monitor.verdict).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgesteer.cli._progress import Advance
    from edgesteer.model import Model
    from edgesteer.monitor.examples import Examples
    from edgesteer.monitor.findings import Audit
    from edgesteer.monitor.verdict import Verdict
    from edgesteer.vector import ControlVector

__all__ = ["audit"]


def audit(watch: str, options: Mapping[str, Any]) -> None:
    """Measure, judge, show."""
    from edgesteer.cli import _show
    from edgesteer.cli._progress import progress_bars
    from edgesteer.cli.monitor.fit import opened, the_layers, the_vector
    from edgesteer.library import Library
    from edgesteer.monitor.audit import audit as measure
    from edgesteer.monitor.readout import Readout
    from edgesteer.monitor.verdict import judge

    library = Library()
    with opened(options, library) as model:
        _, vector = the_vector(watch, library, model)
        families = _families(vector, options)
        readout = Readout.of(vector) or Readout.raw(vector)
        with progress_bars() as advance:
            found = measure(
                model,
                vector,
                readout,
                families,
                layers=the_layers(options, model),
                progress=advance,
            )
            found = replace(found, steering=_steered(model, vector, options, advance))
    verdict = judge(found)
    if options["as_json"]:
        _show.print_json({**found.to_dict(), "verdict": vars(verdict)})
    else:
        _print(found, verdict)
    if options["html"] is not None:
        from edgesteer.report.audit_page import write_audit_page

        write_audit_page(options["html"], found, verdict)
        _show.note(f"written to {options['html']}")


def _families(vector: ControlVector, options: Mapping[str, Any]) -> list[Examples]:
    """The read-out's own texts first: those of its trait, else the first file that is named."""
    from edgesteer.errors import InputError
    from edgesteer.library import builtin_traits
    from edgesteer.monitor.examples import load_examples

    named = [load_examples(source, positive_label=options["positive"]) for source in options["on"]]
    if vector.name in builtin_traits() and vector.name not in options["on"]:
        named.insert(0, load_examples(vector.name, seen=True))
    if not named:
        raise InputError(
            f"there are no labelled texts: {vector.name} is no built-in trait",
            "give files: --on own.jsonl --on others.jsonl; the first is of the read-out's own kind",
        )
    if options["max_texts"] is None:
        return named
    return [examples.limited(options["max_texts"]) for examples in named]


def _steered(
    model: Model, vector: ControlVector, options: Mapping[str, Any], advance: Advance
) -> dict[str, Any]:
    """Steering along the vector and random ones; nothing where there are no items to ask."""
    from edgesteer.library import builtin_traits
    from edgesteer.measure.questions import load_questions
    from edgesteer.monitor.steered import steered

    if vector.name not in builtin_traits() or not options["randoms"]:
        return {}
    items = load_questions(vector.name).test.items
    return steered(model, vector, items, randoms=options["randoms"], progress=advance)


def _print(found: Audit, verdict: Verdict) -> None:
    from edgesteer.cli import _show
    from edgesteer.cli._shade import wave
    from edgesteer.report.audit_page import audit_rows

    header = ["AUROC of", "trained on", *(f"on {family.name}" for family in found.families)]
    rows = [
        [what, trained, *("–" if cell is None else str(cell) for cell in cells)]
        for what, trained, cells in audit_rows(found)
    ]
    _show.table(header, rows)
    click.echo()
    for curve in found.curves:
        lines = [("within", curve.within)]
        if len(found.curves) > 1:
            lines.append(("others", curve.across))
        for label, figures in lines:
            click.echo(
                f"{curve.trained_on}, {label}, layers {curve.layers[0]}-{curve.layers[-1]}: "
                f"{wave([4 * x - 2 for x in figures], fixed=True, width=60)} "
                f"{min(figures):.2f}..{max(figures):.2f}"
            )
    click.echo()
    click.secho(verdict.title, bold=True)
    for point in verdict.points:
        click.echo(f"  - {point}")
    for title, claims in (
        ("These figures bear out:", verdict.may),
        ("These figures do not bear out:", verdict.may_not),
    ):
        if claims:
            click.echo(title)
        for claim in claims:
            click.echo(f"  - {claim}")
