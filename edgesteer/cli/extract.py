"""`edgesteer extract`: contrast pairs or a built-in trait -> a calibrated vector.

Does not know the method (convert.extract) nor what calibration measures (edgesteer.measure).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import traits
from edgesteer.cli._copies import copy_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from convert.capture import ActivationCapture
    from convert.pairs import ContrastPairs
    from edgesteer.cli._progress import Advance
    from edgesteer.errors import EdgesteerError, PairsError
    from edgesteer.library import Library
    from edgesteer.model import Model
    from edgesteer.vector import ControlVector
    from edgesteer.working_copy import WorkingCopy

#: Balanced over stems and personas, this many give a direction close to that of all pairs.
TRAIT_PAIRS = 64


@click.command()
@click.argument("source", metavar="PAIRS|TRAIT", shell_complete=traits)
@shared.model_option
@click.option(
    "--capture",
    type=click.Choice(["llama", "torch"]),
    default="llama",
    show_default=True,
    help="Who reads the activations: llama.cpp on the very file, or torch.",
)
@click.option(
    "--method",
    default="mean-difference",
    show_default=True,
    metavar="NAME",
    help="How a direction is made of them; pca is the other one.",
)
@click.option(
    "--positions",
    default="last",
    show_default=True,
    metavar="TOKENS",
    help="Which tokens are read: last, mean, answer, or a number.",
)
@click.option(
    "-l",
    "--layers",
    metavar="LAYERS",
    help="Layers to read and to steer.  [default: read all, recommend the best]",
)
@click.option(
    "--max-pairs",
    type=click.IntRange(min=2),
    metavar="N",
    help=f"Read the first N pairs only: quicker, less exact.  [default: "
    f"all; {TRAIT_PAIRS} of a trait]",
)
@click.option("--name", help="Its name.  [default: that of the pairs]")
@click.option("--no-calibrate", is_flag=True, help="Keep the natural length of the directions.")
@copy_options
@shared.out_option
@click.option(
    "--force", is_flag=True, help="Keep the vector even if the pairs do not share a direction."
)
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
    """
    from convert.extract import extract as extract_vector
    from convert.pairs import ContrastPairs
    from edgesteer.atomic import check_place
    from edgesteer.cli import _show
    from edgesteer.cli._group import show_error
    from edgesteer.cli._progress import progress_bars
    from edgesteer.library import DEFAULT_MODEL, Library
    from edgesteer.names import check_file_name

    library = Library()
    model_name = options["model"] or DEFAULT_MODEL
    pairs = ContrastPairs.load(source)
    there, pairs = len(pairs), _limited(pairs, source, options["max_pairs"])
    name = check_file_name(options["name"] or pairs.name, "vector")
    place = options["out"] or library.vectors_folder / f"{name}.gguf"
    check_place(place, make_folder=options["out"] is None)
    trouble: list[EdgesteerError] = []
    with ExitStack() as stack:
        capture, model, copy = _readers(stack, model_name, options, library)
        advance = stack.enter_context(progress_bars())
        vector = extract_vector(
            pairs,
            capture,
            method=options["method"],
            positions=options["positions"],
            layers=options["layers"],
            name=name,
            calibrate=_calibration(model, advance, trouble),
            progress=advance,
        )
    if copy is not None:
        vector = vector.with_(meta={**vector.meta, "working_copy": str(copy)})
    quality = vector.meta["quality"]
    for warning in quality["warnings"]:
        click.echo(click.style("Warning: ", fg="yellow") + warning, err=True)
    if quality["failed"]:
        trouble.append(_failure(quality["verdict"], options))
    _report(vector, library, name, model_name, options)
    if len(pairs) < there:
        _show.note(f"read {len(pairs)} of {there} pairs; --max-pairs {there} reads all")
    for error in trouble:
        show_error(error)
    if trouble:
        ctx.exit(1)


def _limited(pairs: ContrastPairs, source: str, most: int | None) -> ContrastPairs:
    """The pairs that are read: all of a file, of a built-in trait as many as are enough."""
    from edgesteer.library import builtin_traits

    if most is None:
        most = TRAIT_PAIRS if source in builtin_traits() else len(pairs)
    return pairs.limited(most)


def _readers(
    stack: ExitStack, model_name: str, options: dict[str, Any], library: Library
) -> tuple[ActivationCapture, Model | None, WorkingCopy | None]:
    """What reads the activations, the open model to calibrate on (None: not wanted), its copy.

    The copy is the working copy that is read; None for the model's own file, which is what is
    calibrated on.
    """
    from edgesteer.cli import _open
    from edgesteer.cli._copies import reading_copy
    from edgesteer.errors import InputError

    by_torch, calibrate = options["capture"] == "torch", not options["no_calibrate"]
    folder = Path(model_name).expanduser().is_dir()
    if folder and (calibrate or not by_torch):
        raise InputError(
            f"{model_name} is a folder: it can be read by torch, but neither run nor calibrated",
            "give the GGUF file with -m, or --capture torch --no-calibrate",
        )
    if by_torch and options["tune"]:
        raise InputError("torch reads no working copy", "leave out --tune or --capture torch")
    model, copy, copied = None, None, False
    if calibrate or not by_torch:
        copy = None if by_torch else reading_copy(model_name, options, library)
        copied = copy is not None and copy.path != library.find_model(model_name).path
        opened = f"{model_name}@{copy.format}" if copy is not None and copied else model_name
        model = stack.enter_context(_open.open_model(opened, options, library))
    if model is not None and not by_torch:
        from convert.capture.llama import LlamaCapture

        capture = LlamaCapture(model)
        if calibrate and copied:  # strengths are for the file that answers, not for its copy
            model = stack.enter_context(_open.open_model(model_name, options, library))
        return capture, model if calibrate else None, copy
    from convert.capture.torch import TorchCapture

    path = model_name if folder else library.find_model(model_name).path
    return TorchCapture.open(path, device=options["device"]), model, None


def _calibration(
    model: Model | None, advance: Advance, trouble: list[EdgesteerError]
) -> Callable[[ControlVector], ControlVector] | None:
    """Calibrates on the model; a vector with which that fails stays as it is: see `trouble`."""
    if model is None:
        return None
    from edgesteer.errors import EdgesteerError, EngineError, SteeringError
    from edgesteer.measure.calibrate import calibrate

    def attempt(vector: ControlVector) -> ControlVector:
        if vector.meta["quality"]["failed"]:
            return vector
        try:
            return calibrate(model, vector, progress=advance)
        except (SteeringError, EngineError) as error:
            trouble.append(
                EdgesteerError(
                    f"the vector is kept, but could not be calibrated: {error.message}", error.hint
                )
            )
            return vector

    return attempt


def _failure(verdict: str, options: dict[str, Any]) -> PairsError:
    """What is said of a vector that is not worth trying. Raised when it is not to be kept."""
    from edgesteer.errors import PairsError

    out = options["out"]
    if options["force"] or (out is not None and not Path(out).exists()):
        return PairsError(verdict, "the vector is kept, not calibrated; mend the pairs")
    raise PairsError(
        f"{verdict}; nothing was written",
        "let both sides of a pair differ in the trait alone, the same way in all; -o with a new "
        "file, or --force, keeps such a vector, not calibrated",
    )


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
    _show.note(f"quality {vector.meta['quality']['verdict']}")
    band = vector.calibration
    strength = f"calibrated, usable {band.low:.3g}..{band.high:.3g}" if band else "not calibrated"
    _show.note(f"layers {vector.recommended}; strength {strength}")
    used = name if out is None else out if Path(out).name != out else f"./{out}"
    other = "" if options["model"] is None else f" -m {quote(model_name)}"
    _show.note(f"next: edgesteer chat{other} -s {quote(f'{quote_name(used)}=1')}")
