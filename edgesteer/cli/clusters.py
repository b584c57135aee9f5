"""`edgesteer clusters`: whether the pairs of a trait differ in one direction, or in several.

Does not know how clusters are found and judged (convert.clusters).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import traits
from edgesteer.cli._copies import copy_options

if TYPE_CHECKING:
    from convert.clusters import Clusters
    from convert.pairs import ContrastPairs
    from convert.reading import Reading

_EXAMPLES = 2


@click.command()
@click.argument("source", metavar="PAIRS|TRAIT", shell_complete=traits)
@shared.model_option
@click.option("--layer", type=int, metavar="N", help="Layer to look at.  [default: the best one]")
@click.option(
    "--max-k",
    type=click.IntRange(min=2, max=12),
    default=5,
    show_default=True,
    metavar="K",
    help="The most clusters to try.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the pairs on their first two axes, as .svg or .png.",
)
@copy_options
@shared.engine_options
@shared.json_option
@shared.output_options
def clusters(source: str, **options: Any) -> None:
    """Tell whether contrast pairs differ in one direction or in several.

    Mixed traits make a vector that points between its parts. Where the pairs fall into clusters
    that are cleaner than chance and stable, 'edgesteer extract PAIRS --cluster 2' makes a vector of
    each.

    \b
    edgesteer clusters calm
    edgesteer clusters mine.jsonl --layer 18 --picture mine.svg
    """
    from convert.clusters import clusters_of
    from convert.pairs import ContrastPairs
    from edgesteer.atomic import check_place
    from edgesteer.cli import _show
    from edgesteer.report.picture import check_picture

    if options["picture"] is not None:
        check_place(check_picture(options["picture"]))
    pairs = ContrastPairs.load(source)
    reading = _read(pairs, options)
    found = clusters_of(reading, options["layer"], max_k=options["max_k"])
    if options["picture"] is not None:
        from edgesteer.report.cluster_picture import draw_clusters

        draw_clusters(found, options["picture"], title=f"Pairs of {pairs.name}")
        _show.note(f"drawn in {options['picture']}")
    if options["as_json"]:
        _show.print_json({"pairs": pairs.name, **found.to_dict()})
        return
    _print(found, pairs)


def _read(pairs: ContrastPairs, options: dict[str, Any]) -> Reading:
    from convert.capture.llama import LlamaCapture
    from convert.reading import read_pairs
    from edgesteer.cli import _open
    from edgesteer.cli._copies import copy_to_read
    from edgesteer.cli._progress import progress_bars
    from edgesteer.library import DEFAULT_MODEL, Library

    library, name = Library(), options["model"] or DEFAULT_MODEL
    opened, _copy = copy_to_read(name, options, library)
    with ExitStack() as stack:
        model = stack.enter_context(_open.open_model(opened, options, library))
        advance = stack.enter_context(progress_bars())
        return read_pairs(pairs, LlamaCapture(model), progress=advance)


def _print(found: Clusters, pairs: ContrastPairs) -> None:
    from edgesteer.cli import _show

    _show.table(
        ("k", "pairs in each", "silhouette", "p", "stability", "least cosine", ""),
        [
            (
                c.k,
                " ".join(map(str, c.sizes)),
                f"{c.silhouette:.3f}",
                f"{c.p_value:.3f}",
                f"{c.stability:.2f}",
                f"{c.cosines.min():.2f}",
                "clusters" if c.real else "no more than chance" if c.p_value > 0.05 else "unstable",
            )
            for c in found.tried
        ],
    )
    shares = " ".join(f"{share:.0%}" for share in found.explained[:5])
    click.echo(f"\nshare of the first axes, not centred: {shares}")
    click.echo(f"agreement with the mean: {found.agreement:.2f}")
    click.echo(found.verdict)
    if found.best is None:
        return
    for number in range(found.best.k):
        click.echo(f"\ncluster {number + 1}, for example:")
        for i in found.examples(found.best.k, number, _EXAMPLES):
            pair = pairs.pairs[i]
            persona = f" [{pair.positive.system}]" if pair.positive.system else ""
            shown = f"{pair.positive.user or ''}{persona} {pair.positive.answer}"
            click.echo(f"  {_show.printable(' '.join(shown.split()))[:160]}")
