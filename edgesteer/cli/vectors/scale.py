"""`edgesteer vectors scale`: a vector times a number.

Does not know which number is right.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("vector", shell_complete=files_or_vectors)
@click.argument("factor", type=float)
@click.option("--name", help="Its name in the library.  [default: that of VECTOR]")
@shared.out_option
@shared.force_option
@shared.json_option
@shared.output_options
def scale(
    vector: str, factor: float, name: str | None, out: str | None, force: bool, as_json: bool
) -> None:
    """Multiply a vector by FACTOR, so that strength 1 means what FACTOR meant.

    \b
    edgesteer vectors scale calm 0.5 --name mild
    edgesteer vectors scale calm -1 -o furious.gguf
    """
    from edgesteer.cli.vectors._keep import keep, report
    from edgesteer.library import Library

    library = Library()
    old = library.load_vector(vector)
    new = old.scaled(factor)
    path = keep(new, library, name=name, out=out, replace=force)
    report(path, new, as_json)
