"""`edgesteer vectors mix`: several vectors baked into one.

Does not know how they were made.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import steering as complete_steering


@click.command()
@click.argument(
    "steering", nargs=-1, required=True, metavar="STEERING...", shell_complete=complete_steering
)
@click.option("--name", help="Its name in the library.")
@shared.out_option
@shared.force_option
@shared.json_option
@shared.output_options
def mix(
    steering: tuple[str, ...], name: str | None, out: str | None, force: bool, as_json: bool
) -> None:
    """Bake STEERING into one vector, whose strength 1 does the same.

    \b
    edgesteer vectors mix "calm=1 formal=-0.5" --name polite
    """
    from edgesteer.cli.vectors._keep import keep, report
    from edgesteer.library import Library
    from edgesteer.steering import Steering

    if name is None and out is None:
        raise click.UsageError("give the mix a --name in the library, or a file with -o")
    library = Library()
    recipe = Steering.parse(" ".join(steering))
    new = recipe.bind(library.load_vector).vector(name or "mix")
    path = keep(new, library, name=name, out=out, replace=force)
    report(path, new, as_json)
