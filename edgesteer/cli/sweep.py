"""`edgesteer sweep`: at which layers, with which weights, a vector does most for its damage.

Does not know what is measured (edgesteer.measure.sweep) nor how it is drawn (_sweep_show.py).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors
from edgesteer.cli._copies import copy_options

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.measure.candidate import CandidateWork
    from edgesteer.measure.questions import QuestionSet
    from edgesteer.measure.sweep import Sweep
    from edgesteer.model import Model
    from edgesteer.vector import ControlVector

_MODES = ("whole", "sum", "letters", "yes-no")


@click.command()
@click.argument("vector", shell_complete=files_or_vectors)
@shared.model_option
@click.option(
    "--items",
    metavar="TRAIT|FILE",
    help="Two-option items to measure with, .toml or .jsonl.  [default: those of the trait]",
)
@click.option(
    "--mode",
    type=click.Choice(_MODES),
    help="How items are asked.  [default: whole; letters from a billion parameters on]",
)
@click.option(
    "--kl",
    type=click.FloatRange(min=0, min_open=True),
    default=0.15,
    show_default=True,
    metavar="NATS",
    help="Mean KL of a token of neutral text at which candidates are compared.",
)
@click.option("-l", "--layers", metavar="LAYERS", help="Look at these only.  [default: all]")
@click.option(
    "--max-items",
    type=click.IntRange(min=2),
    default=16,
    show_default=True,
    metavar="N",
    help="Validation items to choose by; the test items are all asked.",
)
@click.option(
    "--answers",
    is_flag=True,
    help="Write open answers for every candidate, not only for those that are tested.",
)
@click.option("--apply", is_flag=True, help="Keep the choice in the vector, calibrated anew.")
@shared.out_option
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw layers, strengths and damage, as .svg or .png.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with the pictures and all figures.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes on this machine.",
)
@click.option("--dask", metavar="ADDRESS", help="Run on a Dask cluster: tcp://HOST:8786.")
@click.option("--again", is_flag=True, help="Measure anew what is known from earlier sweeps.")
@copy_options
@shared.engine_options
@shared.json_option
@shared.output_options
def sweep(vector: str, **options: Any) -> None:
    """Find the layers and weights at which a vector does most at equal damage.

    Single layers, windows and smooth weights are compared at the same KL on neutral text; the
    choice is made on validation items and reported on test items. What is measured is kept: an
    interrupted sweep goes on where it was.

    \b
    edgesteer sweep calm
    edgesteer sweep calm --apply --html calm-sweep.html
    edgesteer sweep mine --items asked.jsonl --workers 4
    """
    from edgesteer.cli import _show
    from edgesteer.cli import _sweep_show as shown
    from edgesteer.library import DEFAULT_MODEL, Library
    from edgesteer.measure.sweep_record import note, to_dict

    _check_places(options)
    library, name = Library(), options["model"] or DEFAULT_MODEL
    found, about, old = _run(library, vector, name, options)
    if options["as_json"]:
        _show.print_json(to_dict(found, about))
    else:
        shown.show(found)
    ones = {"as it was": 1.0} if about["calibrated"] else {}
    if options["apply"] or options["out"] is not None:
        ones["chosen"] = _apply(library, found, old, note(found, about), vector, name, options)
    else:
        _show.note(f"to keep the choice: edgesteer sweep {vector} --apply; no job is done twice")
    _draw(found, about, ones, options)


def _draw(
    found: Sweep, about: dict[str, Any], calibrated: dict[str, float], options: dict[str, Any]
) -> None:
    """The picture and the page that were asked for."""
    from edgesteer.cli import _show

    if (picture := options["picture"]) is not None:
        from edgesteer.report.sweep_picture import save_sweep_picture

        save_sweep_picture(found, picture, title=str(about["vector"]), calibrated=calibrated)
        _show.note(f"written to {picture}")
    if (page := options["html"]) is not None:
        from edgesteer.report.sweep_page import write_sweep_page

        write_sweep_page(found, page, about, calibrated)
        _show.note(f"written to {page}")


def _check_places(options: dict[str, Any]) -> None:
    """Raises before any work is done when a file that was asked for can not be written."""
    from edgesteer.atomic import check_place

    if options["picture"] is not None:
        from edgesteer.report.picture import check_picture

        check_place(check_picture(options["picture"]))
    for path in (options["html"], options["out"]):
        if path is not None:
            check_place(path)


def _run(
    library: Library, name: str, model_name: str, options: dict[str, Any]
) -> tuple[Sweep, dict[str, Any], ControlVector]:
    """The sweep, what it is about, and the vector in its natural proportions."""
    from dataclasses import replace

    from edgesteer.cli import _open, _show
    from edgesteer.cli._copies import copy_to_read
    from edgesteer.cli._progress import progress_bars
    from edgesteer.measure.baking import present_weights
    from edgesteer.measure.card.origin import find_origin, seen_items
    from edgesteer.measure.jobs import JobCache, open_jobs
    from edgesteer.measure.sweep import sweep as run_sweep

    opened, copy = copy_to_read(model_name, options, library)
    with ExitStack() as stack:
        model = stack.enter_context(_open.open_to_measure(opened, options, library))
        vector = library.load_vector(name, model.identity)
        model.bind(vector.with_(calibration=None))  # fits, or says why not
        work, asked = _work(library, name, vector, model, options)
        advance = stack.enter_context(progress_bars())
        jobs = stack.enter_context(
            open_jobs(
                work,
                model,
                cache=JobCache(library.cache / "sweeps"),
                workers=options["workers"],
                dask=options["dask"] or "",
                fresh=options["again"],
            )
        )
        found = run_sweep(
            jobs,
            work,
            model.n_layer,
            present_weights(vector, model.n_layer),
            layers=options["layers"],
            answers=options["answers"],
            progress=advance,
        )
    _show.note(f"{jobs.done} measured, {jobs.reused} known from before")
    if pairs := find_origin(vector, asked=options["items"] or "").pairs:
        found = replace(found, seen=seen_items(work.parts["test"].items, pairs))
    if found.seen:
        _show.note(
            f"warning: {found.seen} test items are among the pairs that {name} was made from: "
            "what they say is no test"
        )
    about = {
        "vector": vector.name or Path(name).stem,
        "digest": vector.digest,
        "calibrated": vector.calibration is not None,
        "model": model_name,
        "weights_id": model.identity.weights_id,
        "read_by": str(copy) if opened != model_name else "the model's own file",
        "items": asked.name,
    }
    return found, about, work.vector


def _work(
    library: Library, name: str, vector: ControlVector, model: Model, options: dict[str, Any]
) -> tuple[CandidateWork, QuestionSet]:
    """What the jobs share: the natural vector, the items, how they are asked."""
    from dataclasses import replace

    from edgesteer.measure import texts
    from edgesteer.measure.baking import natural
    from edgesteer.measure.candidate import CandidateWork
    from edgesteer.measure.propensity import default_mode

    asked = _questions(options["items"], vector, name)
    some = _evenly(asked.validation.items, options["max_items"])
    work = CandidateWork(
        vector=natural(vector).with_(calibration=None),
        parts={"validation": replace(asked.validation, items=some), "test": asked.test},
        kl=options["kl"],
        mode=options["mode"] or default_mode(model),
        model_file=library.sha256(model.path),
        score=asked.score,
        neutral=texts.NEUTRAL,
    )
    return work, asked


def _questions(items: str | None, vector: ControlVector, name: str) -> QuestionSet:
    """The items that are named, else those of the trait that the vector was made from."""
    from edgesteer.errors import InputError, NotFoundError
    from edgesteer.library import builtin_traits
    from edgesteer.measure.questions import load_questions

    if items is not None:
        return load_questions(items)
    known = builtin_traits()
    trait = next((t for t in (vector.meta.get("pairs"), vector.name) if t in known), None)
    if trait is None:
        raise NotFoundError(
            f"{name} was made from no built-in trait: what is it to be measured with?",
            "--items FILE, with lines of prompt, positive and negative, other than its pairs",
        )
    found = load_questions(trait)
    if not found.validation.items:
        raise InputError(f"the trait {trait} has no items to choose by", "--items FILE")
    return found


def _evenly(items: tuple[Any, ...], most: int) -> tuple[Any, ...]:
    """At most so many, spread over the whole list."""
    if len(items) <= most:
        return items
    return tuple(items[round(i * (len(items) - 1) / (most - 1))] for i in range(most))


def _apply(
    library: Library,
    found: Sweep,
    old: ControlVector,
    note: dict[str, Any],
    name: str,
    model_name: str,
    options: dict[str, Any],
) -> float:
    """Bakes the choice in, calibrates it on the model's own file, and keeps it.

    Returns the strength, of the vector before, that is 1 now.
    """
    from edgesteer.cli import _open, _show
    from edgesteer.cli._progress import progress_bars
    from edgesteer.cli.vectors._keep import keep
    from edgesteer.measure.baking import baked
    from edgesteer.measure.calibrate import calibrate
    from edgesteer.names import looks_like_path

    with (
        _open.open_to_measure(model_name, options, library) as model,
        progress_bars() as advance,
    ):
        made = baked(old, found.chosen, note)
        new = calibrate(model, made, progress=advance)
    out = options["out"]
    if out is None and looks_like_path(name, ".gguf"):
        out = name  # the very file that was swept
    path = keep(new, library, name=old.name or None, out=out, replace=True)
    band = new.calibration
    usable = f"; usable {band.low:.3g}..{band.high:.3g}" if band else ""
    _show.note(f"kept in {path}: layers {new.recommended}, strength 1 calibrated anew{usable}")
    layer = found.chosen.layers[0]
    return new.norms()[layer] / made.norms()[layer]
