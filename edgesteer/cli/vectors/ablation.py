"""`edgesteer vectors ablation`: a vector and a model's weights -> a LoRA that takes the vector out.

Does not know how (convert.ablation), nor loads the result.
"""

from __future__ import annotations

from pathlib import Path

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors


@click.command()
@click.argument("vector", shell_complete=files_or_vectors)
@shared.model_option
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The file to write.  [default: VECTOR.lora.gguf here]",
)
@click.option(
    "-l",
    "--layers",
    metavar="LAYERS",
    help="Blocks to edit, each with its own direction.  [default: what VECTOR recommends]",
)
@click.option(
    "--direction-of",
    type=click.IntRange(min=1),
    metavar="LAYER",
    help="Take this one layer's direction out of all blocks instead.",
)
@shared.force_option
@shared.json_option
@shared.output_options
def ablation(
    vector: str,
    model: str | None,
    out: str | None,
    layers: str | None,
    direction_of: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write a LoRA adapter that keeps a model from writing along a vector.

    llama.cpp loads it with --lora-scaled FILE:SHARE; here, ablate:VECTOR=SHARE?by=weights makes and
    loads one by itself. It fits the very file that it was made from.

    \b
    edgesteer vectors ablation calm -m smollm2 -o no-calm.gguf
    edgesteer vectors ablation calm --direction-of 15
    """
    from convert.ablation import write_ablation
    from edgesteer.cli import _show
    from edgesteer.errors import InputError, LayerError
    from edgesteer.identity import read_model_identity
    from edgesteer.layers import LayerRange
    from edgesteer.library import DEFAULT_MODEL, Library

    if layers is not None and direction_of is not None:
        raise InputError("--layers and --direction-of exclude each other", "leave one of them out")
    library = Library()
    where = library.find_model(model or DEFAULT_MODEL).path
    found = library.load_vector(vector, read_model_identity(where))
    path = Path(out or f"{Path(vector).stem}.lora.gguf")
    if path.exists() and not force:
        raise InputError(f"{path} is there already", "give another -o, or --force to replace it")
    if direction_of is None:
        write_ablation(found, where, path, layers=layers or found.recommended)
    elif direction_of not in found.directions:
        raise LayerError(
            f"{vector} carries nothing at layer {direction_of}",
            f"it carries the layers {LayerRange.of(found.layers)}",
        )
    else:
        write_ablation(found.directions[direction_of], where, path)
    if as_json:
        _show.print_json({"path": str(path), "model": str(where), "bytes": path.stat().st_size})
    else:
        click.echo(path)
