"""`edgesteer extract`: contrast pairs or a built-in trait -> a calibrated vector.

Does not know the method (convert.extract) nor what calibration measures (edgesteer.measure).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _extract_options as own
from edgesteer.cli import _options as shared
from edgesteer.cli._complete import traits

if TYPE_CHECKING:
    from edgesteer.errors import EdgesteerError, PairsError
    from edgesteer.library import Library
    from edgesteer.vector import ControlVector


@click.command()
@click.argument("source", metavar="PAIRS|TRAIT", shell_complete=traits)
@shared.model_option
@own.pairs_options
@own.reading_options
@own.keeping_options
@shared.engine_options
@shared.json_option
@shared.output_options
@click.pass_context
def extract(ctx: click.Context, /, source: str, **options: Any) -> None:
    """Make a calibrated vector from contrast pairs.

    PAIRS is a .toml or .jsonl file, TRAIT the name of a built-in one. A vector of that name for the
    same model is replaced, unless the pairs turn out not to share a direction.

    \b
    edgesteer extract calm
    edgesteer extract mine.toml -m qwen.gguf --layers 8-16 -o mine.gguf
    edgesteer extract calm --answers self --save-pairs calm.jsonl
    """
    from convert.extract import make_vector
    from edgesteer.atomic import check_place
    from edgesteer.cli import _extract_answers as asking
    from edgesteer.cli import _extract_clusters as clusters
    from edgesteer.cli import _extract_reading as reader
    from edgesteer.cli import _extract_steps as steps
    from edgesteer.cli import _show
    from edgesteer.cli._group import show_error
    from edgesteer.cli._progress import progress_bars
    from edgesteer.library import DEFAULT_MODEL, Library
    from edgesteer.names import check_file_name
    from edgesteer.on_the_spot import load_trait

    library = Library()
    model_name = options["model"] or DEFAULT_MODEL
    trait = load_trait(source)
    name = check_file_name(options["name"] or trait.name, "vector")
    place = options["out"] or library.vectors_folder / f"{name}.gguf"
    check_place(place, make_folder=options["out"] is None)
    if options["save_capture"]:
        check_place(options["save_capture"])
    reader.check_options(model_name, options)
    asking.check_options(model_name, options)
    clusters.check_options(options)
    trouble: list[EdgesteerError] = []
    with ExitStack() as stack:
        opened = reader.open_source(stack, model_name, options, library)
        advance = stack.enter_context(progress_bars())
        pairs, answers = asking.choose_pairs(
            stack, trait, source, opened.model, model_name, options, library, advance
        )
        if answers is not None:
            options["positions"] = options["positions"] or "answer"
        reading = reader.read(pairs, opened, options, advance)
        vectors = [
            make_vector(
                part,
                rows,
                method=reader.closed_form(options["method"]),
                layers=options["layers"],
                name=label,
                refine=steps.refinement(
                    opened.torch,
                    trait if part is pairs and answers is None else part,
                    options,
                    library,
                    advance,
                ),
                calibrate=steps.calibration(opened.model, advance, trouble),
            )
            for label, part, rows in clusters.divided(name, pairs, reading, options["cluster"])
        ]
    facts: dict[str, Any] = {} if opened.copy is None else {"working_copy": str(opened.copy)}
    facts |= {} if answers is None else {"answers": answers.meta}
    vectors = [vector.with_(meta={**vector.meta, **facts}) for vector in vectors]
    trouble += _judged(vectors, options)
    for vector in vectors:
        _report(vector, library, vector.name, model_name, options)
    if answers is not None:
        _show.note(str(answers))
    elif len(pairs) < len(trait):
        _show.note(f"read {len(pairs)} of {len(trait)} pairs; --max-pairs {len(trait)} reads all")
    for error in trouble:
        show_error(error)
    if trouble:
        ctx.exit(1)


def _judged(vectors: list[ControlVector], options: dict[str, Any]) -> list[PairsError]:
    """Warnings on stderr, and what is wrong with vectors that are kept all the same.

    Raises PairsError, before anything is written, for one that is not to be kept.
    """
    from edgesteer.cli._extract_steps import failure

    qualities = [vector.meta["quality"] for vector in vectors]
    for warning in dict.fromkeys(text for q in qualities for text in q["warnings"]):
        click.echo(click.style("Warning: ", fg="yellow") + warning, err=True)
    return [failure(q["verdict"], options) for q in qualities if q["failed"]]


def _report(
    vector: ControlVector, library: Library, name: str, model_name: str, options: dict[str, Any]
) -> None:
    """Keep the vector, say how good it looks and what to do next."""
    from edgesteer.cli import _show
    from edgesteer.cli.vectors._keep import keep, report
    from edgesteer.names import quote_name

    out = options["out"]
    path = keep(vector, library, name=name, out=out, replace=True)
    report(path, vector, options["as_json"])
    quality = vector.meta["quality"]
    whose = "of the vector it started from: " if "optimised" in vector.meta else ""
    _show.note(f"quality {whose}{quality['verdict']}")
    _show.note(_confounds(quality["confounds"]))
    band = vector.calibration
    strength = f"calibrated, usable {band.low:.3g}..{band.high:.3g}" if band else "not calibrated"
    _show.note(f"layers {vector.recommended}; strength {strength}")
    used = name if out is None else out if Path(out).name != out else f"./{out}"
    other = "" if options["model"] is None else f" -m {quote(model_name)}"
    _show.note(f"next: edgesteer chat{other} -s {quote(f'{quote_name(used)}=1')}")


def _confounds(found: dict[str, Any]) -> str:
    """How well length and words alone tell the sides apart, in one line."""
    text = f"besides the trait: length {found['length_auroc']:.2f}"
    if found["word"]:
        text += (
            f", the word {found['word']!r} {found['word_auroc']:.2f}, "
            f"all words {found['bag_of_words_auroc']:.2f}"
        )
    return f"{text} (AUROC; 0.5 tells nothing)"
