"""`edgesteer vectors layers`: a vector cut down to some layers.

Does not know which layers are right.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors


@click.command()
@click.argument("vector", shell_complete=files_or_vectors)
@click.argument("layers")
@click.option("--name", help="Its name in the library.  [default: that of VECTOR]")
@shared.out_option
@shared.force_option
@shared.json_option
@shared.output_options
def layers(
    vector: str, layers: str, name: str | None, out: str | None, force: bool, as_json: bool
) -> None:
    """Keep only LAYERS of a vector: 8-16, 40%-80%, 8,10,12-14.

    \b
    edgesteer vectors layers calm 8-16 -o calm-middle.gguf
    """
    from edgesteer.cli.vectors._keep import keep, report
    from edgesteer.library import Library

    library = Library()
    new = library.load_vector(vector).restricted(layers)
    path = keep(new, library, name=name, out=out, replace=force)
    report(path, new, as_json)
