"""Fits the read-out of one vector and keeps it in the vector's file.

Does not know how it is fitted (edgesteer.monitor.fit).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from edgesteer.library import Library
    from edgesteer.model import Model
    from edgesteer.monitor.examples import Examples
    from edgesteer.monitor.readout import Readout
    from edgesteer.vector import ControlVector

__all__ = ["fit", "opened", "source_of", "the_layers", "the_vector"]


def fit(watch: str, options: Mapping[str, Any]) -> None:
    """Fit, keep, and say what the read-out does."""
    from edgesteer.cli import _show
    from edgesteer.cli._progress import progress_bars
    from edgesteer.library import Library
    from edgesteer.monitor.examples import load_examples
    from edgesteer.monitor.fit import fit_readout

    library = Library()
    with opened(options, library) as model:
        path, vector = the_vector(watch, library, model)
        before = _kept(vector)
        examples = load_examples(source_of(vector, options), positive_label=options["positive"])
        with progress_bars() as advance:
            readout = fit_readout(
                model,
                vector,
                examples,
                layers=the_layers(options, model),
                positions=options["tokens"],
                whiten=options["whiten"],
                false_alarms=options["false_alarms"],
                progress=advance,
            )
        readout.kept_with(vector).save(path)
    if options["as_json"]:
        told = {k: v for k, v in readout.to_dict().items() if k != "direction"}
        _show.print_json({"name": readout.name, "path": str(path), **told})
    else:
        _print(readout, examples)
        click.echo(path)
    if before is not None:
        _show.note(f"in place of the read-out {before}")
    _show.note(f"next: edgesteer chat --watch {watch}")


def _kept(vector: ControlVector) -> Readout | None:
    """The read-out that is kept with the vector so far, if it can be read."""
    from edgesteer.errors import EdgesteerError
    from edgesteer.monitor.readout import Readout

    try:
        return Readout.of(vector)
    except EdgesteerError:
        return None


@contextmanager
def opened(options: Mapping[str, Any], library: Library) -> Iterator[Model]:
    """The model to read by, or its working copy."""
    from edgesteer.cli import _open
    from edgesteer.cli._copies import copy_to_read
    from edgesteer.library import DEFAULT_MODEL

    name = options["model"] or DEFAULT_MODEL
    name, _copy = copy_to_read(name, options, library)
    with _open.open_model(name, options, library) as model:
        yield model


def the_vector(watch: str, library: Library, model: Model) -> tuple[Path, ControlVector]:
    """The one vector that is named, and its file."""
    from edgesteer.errors import InputError
    from edgesteer.names import unquote_name
    from edgesteer.vector import ControlVector

    name = unquote_name(watch.strip())
    known = library.vector_names()
    if name not in known and len(names := watch.split()) > 1:
        raise InputError(f"{', '.join(names)} are several vectors", "name one of them")
    path = library.find_vector(name, model.identity)
    vector = ControlVector.load(path)
    if vector.model is not None:
        model.identity.check_fits(vector.model)
    return path, vector if vector.name else vector.renamed(path.stem)


def source_of(vector: ControlVector, options: Mapping[str, Any]) -> str:
    """Where the labelled texts come from: what was named, else the trait of the vector's name."""
    from edgesteer.errors import InputError
    from edgesteer.library import builtin_traits

    if len(options["on"]) > 1:
        raise InputError("a read-out is fitted on one source", "give --on once")
    if options["on"]:
        return str(options["on"][0])
    if vector.name in builtin_traits():
        return vector.name
    raise InputError(
        f"there are no labelled texts: {vector.name} is no built-in trait",
        'give a file: --on texts.jsonl, one {"prompt": ..., "label": 1} a line',
    )


def the_layers(options: Mapping[str, Any], model: Model) -> tuple[int, ...] | None:
    """The layers to choose from, None for all."""
    from edgesteer.layers import LayerRange

    if options["layers"] is None:
        return None
    return LayerRange.parse(options["layers"]).resolve(model.n_layer)


def _print(readout: Readout, examples: Examples) -> None:
    from edgesteer.cli import _show
    from edgesteer.cli._shade import wave

    layers, figures = readout.evidence["layers"], readout.evidence["auroc"]
    rows = [
        ("read-out", f"{readout.name} at layer {readout.layer}"),
        ("fitted on", f"{examples.name}, {_where(readout.positions)}"),
        (
            "layers",
            f"{wave(figures, fixed=False, width=60)}  AUROC {min(figures):.2f}..{max(figures):.2f} "
            f"at {layers[0]}-{layers[-1]}",
        ),
        ("AUROC", f"{readout.auroc:.2f} on texts that nothing was chosen on"),
        ("at work", str(readout.point)),
    ]
    _show.facts(rows, 11)


def _where(positions: str) -> str:
    return {
        "answer": "the mean over each answer",
        "last": "the last token of each prompt",
        "mean": "the mean over each prompt",
    }[positions]
