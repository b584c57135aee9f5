"""`edgesteer causes`: at which layers and tokens a trait is carried, by activation patching.

Does not know how patches are made and judged (edgesteer.measure.patching).
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
    from convert.pairs import ContrastPairs, Pair
    from edgesteer.measure.patching import PatchMap
    from edgesteer.model import Model

_SHADES = " ░▒▓█"
_EVERY = 16  # about so many layers when none are named


@click.command()
@click.argument("source", metavar="PAIRS|TRAIT", shell_complete=traits)
@shared.model_option
@click.option("--vector", metavar="VECTOR", help="Patch along this vector, too.")
@click.option(
    "-l",
    "--layers",
    metavar="LAYERS",
    help="Layers to patch.  [default: every second or so]",
)
@click.option(
    "--stem",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Which stem's pairs: they end in the same tokens.",
)
@click.option(
    "--pairs",
    "n_pairs",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="How many of its pairs.",
)
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    metavar="N",
    help="How many of the last tokens are patched.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the map, as .svg or .png.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with the map and what it says.",
)
@copy_options
@shared.engine_options
@shared.json_option
@shared.output_options
def causes(source: str, **options: Any) -> None:
    """Show where in the model a trait is carried: a map of layers and tokens.

    Activations of a prompt with the trait are put, one at a time, into the same prompt without it.
    What the answer recovers, from 0 (nothing) to 1 (all of it), tells where the trait sits by then.
    The layers named at the end are a list of candidates for 'edgesteer sweep --layers'.

    \b
    edgesteer causes calm
    edgesteer causes calm --vector calm --html calm-causes.html
    """
    from convert.pairs import ContrastPairs
    from edgesteer.atomic import check_place
    from edgesteer.cli import _show
    from edgesteer.report.picture import check_picture

    if options["picture"] is not None:
        check_place(check_picture(options["picture"]))
    if options["html"] is not None:
        check_place(options["html"])
    pairs = ContrastPairs.load(source)
    chosen = _chosen(pairs, options["stem"], options["n_pairs"])
    found = _run(chosen, options)
    title = f"Where {pairs.name} is carried"
    if options["picture"] is not None:
        from edgesteer.report.patch_picture import save_patch_picture

        save_patch_picture(found, options["picture"], title=title)
    if options["html"] is not None:
        from edgesteer.report.patch_page import write_patch_page

        write_patch_page(found, options["html"], title=title, pairs=len(chosen))
    if options["as_json"]:
        _show.print_json({"pairs": pairs.name, "stem": options["stem"], **found.to_dict()})
    else:
        _print(found)
    for path in (options["picture"], options["html"]):
        if path is not None:
            _show.note(f"written to {path}")


def _chosen(pairs: ContrastPairs, stem: int, most: int) -> list[Pair]:
    """The pairs of one stem. Raises PairsError for pairs that do not differ in a persona."""
    from edgesteer.errors import PairsError

    usable = [p for p in pairs.pairs if p.positive.system and p.positive.user == p.negative.user]
    usable = [p for p in usable if p.positive.answer == p.negative.answer]
    if not usable:
        raise PairsError(
            f"{pairs.name}: no pair differs in its persona alone",
            "patching needs prompts that end alike: a trait file with personas and stems",
        )
    groups = sorted({p.group for p in usable})
    if stem > len(groups):
        raise PairsError(f"{pairs.name} has {len(groups)} stems", f"--stem 1 to {len(groups)}")
    return [p for p in usable if p.group == groups[stem - 1]][:most]


def _run(pairs: list[Pair], options: dict[str, Any]) -> PatchMap:
    from convert.capture.llama import LlamaCapture
    from convert.rendering import render_pairs
    from edgesteer.cli import _open
    from edgesteer.cli._copies import copy_to_read
    from edgesteer.cli._progress import progress_bars
    from edgesteer.library import DEFAULT_MODEL, Library
    from edgesteer.measure.patching import patch_map

    library, name = Library(), options["model"] or DEFAULT_MODEL
    opened, _copy = copy_to_read(name, options, library)
    with ExitStack() as stack:
        model = stack.enter_context(_open.open_model(opened, options, library))
        advance = stack.enter_context(progress_bars())
        capture = LlamaCapture(model)
        template = capture.render if capture.has_chat_template else None
        texts = [(pair.positive, pair.negative) for pair in render_pairs(pairs, template)]
        vector = options["vector"]
        return patch_map(
            model,
            texts,
            layers=options["layers"] or _some_layers(model),
            vector=library.load_vector(vector, model.identity) if vector else None,
            n_tokens=options["tokens"],
            progress=advance,
        )


def _some_layers(model: Model) -> str:
    step = max(1, round((model.n_layer - 1) / _EVERY))
    return ",".join(map(str, range(model.n_layer - 1, 0, -step)))


def _print(found: PatchMap) -> None:
    from edgesteer.cli import _show

    header = [f"{number}" for number in range(1, len(found.tokens) + 1)]
    tables = [("all of the activation", found.full, found.whole)]
    if found.along is not None and found.along_whole is not None:
        tables.append((f"the part along {found.vector}", found.along, found.along_whole))
    for title, full, whole in tables:
        most = max(float(full.max()), 0.01)
        click.secho(f"{title}; {_SHADES[-1]} is {most:.2f}", bold=True)
        rows = [
            (layer, *(_block(value / most) for value in row), f"{total:.2f}")
            for layer, row, total in reversed(list(zip(found.layers, full, whole, strict=True)))
        ]
        _show.table(("layer", *header, "all"), rows)
        click.echo()
    numbered = enumerate(found.tokens, 1)
    named = " ".join(f"{n} {token.strip() or repr(token)}" for n, token in numbered)
    click.echo(f"tokens: {_show.printable(named)}")
    mean = found.contrasts.mean()
    click.echo(f"{len(found.contrasts)} pair(s); their answers differ by {mean:.2f} nats a token")
    if found.skipped:
        click.echo(f"{found.skipped} pair(s) left out: both sides are answered alike")
    click.echo(f"the trait has reached the last tokens at layers {found.candidates}")


def _block(share: float) -> str:
    """Two characters: the shade of a share of the most, a minus for a patch that drives away."""
    if share < -0.3:
        return "- "
    return _SHADES[min(max(round(share * 4), 0), 4)] * 2
