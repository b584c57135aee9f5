"""`edgesteer vectors export`: a steering baked into one file that other tools read.

Does not know the formats (edgesteer.export).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import steering as complete_steering

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.steering import Steering


@click.command()
@click.argument(
    "steering", nargs=-1, required=True, metavar="STEERING...", shell_complete=complete_steering
)
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Ends in .gguf, .npz or .safetensors.",
)
@shared.model_option
@click.option(
    "--llama-args", is_flag=True, help="Print the llama-server command line that applies FILE."
)
@shared.force_option
@shared.json_option
@shared.output_options
def export(
    steering: tuple[str, ...],
    out: str,
    model: str | None,
    llama_args: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Bake STEERING into a FILE that llama.cpp, repeng, numpy or safetensors read.

    Only the layers that are steered are in it, by their strengths: --control-vector FILE does the
    same as -s STEERING does here, without a scale and without a layer range. A GGUF file gets the
    keys that llama.cpp and repeng know and no others, so keep the vector itself as well.

    \b
    edgesteer vectors export calm -o calm-plain.gguf --llama-args
    edgesteer vectors export "calm=0.8 formal=-0.5" -o polite.npz
    """
    import shlex

    from edgesteer.cli import _show
    from edgesteer.errors import InputError
    from edgesteer.export import FORMATS, export_vector, server_args
    from edgesteer.layers import LayerRange
    from edgesteer.library import Library

    path, library = Path(out), Library()
    if llama_args and path.suffix.lower() != ".gguf":
        raise InputError("llama-server reads GGUF alone", "give --llama-args an -o FILE.gguf")
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{out} ends in none of {', '.join(FORMATS)}", "its ending names the form")
    if path.exists() and not force:
        raise InputError(f"{out} is there already", "give another -o, or --force to replace it")
    recipe = _bound(" ".join(steering), model, library)
    vector = recipe.vector(path.stem)
    export_vector(vector, path)
    where = str(library.find_model(model).path) if model else "MODEL.gguf"
    args = server_args(path, where) if path.suffix.lower() == ".gguf" else None
    layers = str(LayerRange.of(vector.layers))
    if as_json:
        facts = {"path": out, "steering": str(recipe), "layers": layers, "llama_args": args}
        _show.print_json(facts)
    else:
        click.echo(shlex.join(args) if llama_args and args else out)
    fits = f", for {vector.model}" if vector.model else ""
    _show.note(f"{recipe} at layers {layers}{fits}")


def _bound(text: str, model: str | None, library: Library) -> Steering:
    """The steering with its vectors, held against the model where one is named or known."""
    from edgesteer.identity import read_model_identity
    from edgesteer.steering import Steering

    identity = read_model_identity(library.find_model(model).path) if model else None
    recipe = Steering.parse(text).bind(lambda name: library.load_vector(name, identity))
    known = [term.vector.model for term in recipe.terms if term.vector and term.vector.model]
    if identity is None and known:
        identity = known[0]
    if identity is not None:
        recipe.check(identity)
    return recipe
