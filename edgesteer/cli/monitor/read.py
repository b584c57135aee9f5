"""Reads a text by some read-outs: shaded tokens, a wave and figures, or JSON, or a page.

Does not know how a text is read (edgesteer.monitor.passage).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from edgesteer.monitor.passage import Passage
    from edgesteer.monitor.readout import Readout

__all__ = ["read"]


def read(watch: str, text: str, options: Mapping[str, Any]) -> None:
    """Read `text` and show what was read."""
    from edgesteer.cli import _open, _request, _show
    from edgesteer.library import DEFAULT_MODEL, Library
    from edgesteer.monitor.passage import read_passage

    words, library = _request.read_prompt(text), Library()
    with _open.open_model(options["model"] or DEFAULT_MODEL, options, library) as model:
        readouts = model.readouts(watch)
        passage = read_passage(
            model, words, readouts, read_as=options["read_as"], answer_to=options["answer_to"]
        )
        name = model.name
    if options["as_json"]:
        _show.print_json({"model": name, **passage.to_dict(readouts)})
    else:
        _print(passage, readouts)
    if options["html"] is not None:
        _write_page(options["html"], passage, readouts, name)
        _show.note(f"written to {options['html']}")


def _print(passage: Passage, readouts: Mapping[str, Readout]) -> None:
    from edgesteer.cli import _show
    from edgesteer.cli._shade import Range, shaded, wave

    for name, readout in readouts.items():
        summary = passage.summary(name, readout)
        scores, levels = passage.scores[name], Range(readout)
        own = [float(scores[i]) for i in passage.own]
        click.secho(f"{name} at layer {readout.layer}, {_unit(readout)}", bold=True)
        for i, score in zip(passage.own, own, strict=True):
            click.echo(shaded(_show.for_stdout(passage.pieces[i]), levels.level(score)), nl=False)
        click.echo()
        click.echo(wave(own, fixed=readout.unit == "score", width=60))
        figures = [
            f"mean {summary.mean:+.2f}",
            f"highest {summary.highest:+.2f} at {passage.pieces[summary.highest_at].strip()!r}",
        ]
        if summary.fires is not None:
            told = "passes" if summary.fires else "does not pass"
            what = {"last": "last token", "mean": "whole prompt"}.get(readout.positions, "mean")
            figures.append(
                f"{what} {summary.decides:+.2f} {told} the threshold {readout.threshold:.2f}"
            )
        click.echo(" · ".join(figures))
    if any(readout.unit == "raw" for readout in readouts.values()):
        _show.note("raw units compare within one text; --fit gives a scale and a threshold")


def _unit(readout: Readout) -> str:
    if readout.unit == "raw":
        return "raw units"
    return f"scores (AUROC {readout.auroc:.2f})" if readout.auroc is not None else "scores"


def _write_page(path: Path, passage: Passage, readouts: Mapping[str, Readout], model: str) -> None:
    from edgesteer.cli._shade import Range
    from edgesteer.report.html import Facts, Report, Section, Shaded, write_report

    sections = []
    for name, readout in readouts.items():
        summary, levels = passage.summary(name, readout), Range(readout)
        scores = passage.scores[name]
        pieces = [(passage.pieces[i], levels.level(float(scores[i]))) for i in passage.own]
        facts = [
            ("layer", str(readout.layer)),
            ("unit", _unit(readout)),
            ("mean", f"{summary.mean:+.2f}"),
            ("highest", f"{summary.highest:+.2f}"),
        ]
        if readout.point is not None:
            facts.append(("operating point", str(readout.point)))
            facts.append(("passes", "yes" if summary.fires else "no"))
        sections.append(Section(name, [Shaded(pieces), Facts(facts, small=True)]))
    write_report(path, Report("Readings", sections, kicker="edgesteer monitor", subtitle=model))
