"""`edgesteer evaluate`: the report card of one or several vectors, and where it is written.

Does not know what is measured (edgesteer.measure.evaluate) nor how the page looks.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import files_or_vectors

if TYPE_CHECKING:
    from edgesteer.library import Library
    from edgesteer.measure.card.report_card import ReportCard
    from edgesteer.measure.card.settings import Settings
    from edgesteer.measure.card.summary import VectorFigures


def _ways(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()] if value else []


@click.command()
@click.argument("vectors", nargs=-1, metavar="VECTOR...", shell_complete=files_or_vectors)
@shared.model_option
@click.option("--quick", is_flag=True, help="About a minute: fewer items, controls and styles.")
@click.option(
    "--items",
    type=click.IntRange(min=2),
    metavar="N",
    help="Test items of the vector's own trait; the rest in proportion.  [default: 24; 8 quick]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Of the items drawn, the random vectors and the intervals.",
)
@click.option(
    "--questions",
    multiple=True,
    metavar="FILE",
    help="Your own question set, .jsonl or .toml; one for all vectors, or one each.",
)
@click.option("--pairs", metavar="FILE", help="The pairs of a vector that is of no built-in trait.")
@click.option(
    "--refusal",
    metavar="VECTOR|TRAIT",
    help="The refusing direction for the overlap; that of a trait is made on the spot.",
)
@click.option("--also", metavar="MODEL", help="A second file of the same weights, to compare with.")
@click.option(
    "--compare",
    metavar="WAY,WAY,...",
    callback=_ways,
    help="Other ways at equal damage: keepnorm, ablate, clamp, rotate, gated, prompt; or all.",
)
@click.option(
    "--mode",
    type=click.Choice(["whole", "sum", "letters", "yes-no"]),
    help="How items are asked.  [default: by the model's size]",
)
@click.option(
    "--from",
    "from_file",
    metavar="FILE",
    help="No measurement: the report of a card's JSON, computed again.",
)
@click.option(
    "-o",
    "--out",
    metavar="DIR|FILE",
    help="Write there: a folder, or a .html (with .json beside it) or .json file."
    "  [default: reports in the library]",
)
@shared.engine_options
@shared.json_option
@shared.output_options
def evaluate(vectors: tuple[str, ...], **options: Any) -> None:
    """Measure what vectors do, what they cost, and whether chance does as much.

    A report card for each: effect with intervals, random and label-shuffled controls, a plain
    prompt instead, other prompt styles, side effects, damage. The verdict can be negative.

    \b
    edgesteer evaluate calm
    edgesteer evaluate calm happy --quick -o reports/
    edgesteer evaluate mine.gguf=0.8@8-16 -m qwen.gguf --questions mine.jsonl
    """
    from edgesteer.cli import _show
    from edgesteer.library import Library
    from edgesteer.measure.card.report_card import ReportCard

    if bool(vectors) == bool(options["from_file"]):
        raise click.UsageError("name one vector or more, or give a card's JSON with --from")
    library = Library()
    if options["from_file"]:
        card = ReportCard.load(options["from_file"])
        name = Path(options["from_file"]).stem
    else:
        name = _name(vectors, options["model"])
    page, data = _places(options["out"], name, library, options["as_json"])
    if not options["from_file"]:
        card = _measured(vectors, options, library)
    written = _write(card, page, data)
    if options["as_json"]:
        _show.print_json(card.to_dict())
    else:
        _print(card)
    for path in written:
        _show.note(f"written: {path}")


def _name(vectors: tuple[str, ...], model: str | None) -> str:
    from edgesteer.library import DEFAULT_MODEL

    parts = [Path(text.partition("=")[0]).stem for text in vectors]
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in "-".join(parts))
    return f"{kept[:80]}-on-{Path(model or DEFAULT_MODEL).stem}"


def _places(
    out: str | None, name: str, library: Library, as_json: bool
) -> tuple[Path | None, Path | None]:
    """Where page and JSON go, checked before any work is done; (None, None): nowhere."""
    from edgesteer.atomic import check_place
    from edgesteer.errors import InputError
    from edgesteer.report.picture import check_installed

    if out is None and as_json:
        return None, None
    if out is None:
        folder = library.reports_folder
        page, data = folder / f"{name}.html", folder / f"{name}.json"
    elif Path(out).suffix.lower() == ".json":
        check_place(out)
        return None, Path(out)
    elif Path(out).suffix.lower() == ".html":
        page, data = Path(out), Path(out).with_suffix(".json")
    elif Path(out).suffix and not Path(out).is_dir():
        raise InputError(f"a report is .html or .json, not {out}", "name a folder, or x.html")
    else:
        page, data = Path(out) / f"{name}.html", Path(out) / f"{name}.json"
    check_installed()
    for path in (page, data):
        check_place(path, make_folder=True)
    return page, data


def _measured(vectors: tuple[str, ...], options: dict[str, Any], library: Library) -> ReportCard:
    from edgesteer.cli import _open
    from edgesteer.cli._group import MODEL
    from edgesteer.cli._progress import progress_bars
    from edgesteer.library import DEFAULT_MODEL
    from edgesteer.measure.card.alternatives import ALTERNATIVES, check_alternatives
    from edgesteer.measure.evaluate import evaluate as measure

    ways = ALTERNATIVES if options["compare"] == ["all"] else options["compare"]
    check_alternatives(ways)
    model_name = options["model"] or DEFAULT_MODEL
    click.get_current_context().meta[MODEL] = options["model"]
    with ExitStack() as stack:
        model = stack.enter_context(_open.open_to_measure(model_name, options, library))
        also = options["also"]
        second = also and stack.enter_context(_open.open_to_measure(also, options, library))
        return measure(
            model,
            list(vectors),
            questions=options["questions"],
            pairs=options["pairs"],
            refusal=options["refusal"],
            also=second or None,
            compare=ways,
            mode=options["mode"],
            settings=_settings(options),
            progress=stack.enter_context(progress_bars()),
        )


def _settings(options: dict[str, Any]) -> Settings:
    from dataclasses import replace

    from edgesteer.measure.evaluate import FULL, QUICK

    size = QUICK if options["quick"] else FULL
    return replace(size.with_items(options["items"]), seed=options["seed"])


def _write(card: ReportCard, page: Path | None, data: Path | None) -> list[Path]:
    written = []
    for path in (page, data):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    if data is not None:
        written.append(card.save(data))
    if page is not None:
        from edgesteer.report.card_page import write_card

        written.insert(0, write_card(page, card))
    return written


def _print(card: ReportCard) -> None:
    """The verdict of each vector with its points, then one table."""
    from edgesteer.cli import _show

    signs = {"good": "+", "bad": "-", "": " "}
    for figures, verdict in zip(card.summary.vectors, card.verdicts, strict=True):
        colour = {"good": "green", "warn": "yellow", "bad": "red"}[verdict.tone]
        name = click.style(f"{figures.name}: ", bold=True)
        click.echo(name + click.style(verdict.headline, fg=colour, bold=True))
        for tone, text in verdict.points:
            click.echo(f"  {signs[tone]} {_show.printable(text)}")
        click.echo()
    header = ["VECTOR", "EFFECT", "INTERVAL", "N", "RANDOM", "KL", "SIDE", "KNOWLEDGE", "VERDICT"]
    rows = [
        _row(figures, verdict.level)
        for figures, verdict in zip(card.summary.vectors, card.verdicts, strict=True)
    ]
    _show.table(header, rows)
    total = card.summary.together
    if total is not None and total.spent is not None:
        word = "in" if total.spent <= 1 else "over"
        click.echo(f"all at strength 1: {total.spent:.2f} budgets of KL, {word} budget")
    for one in card.summary.overlaps:
        click.echo(f"cosine of {one.one} and {one.other}: {one.whole:.2f}")
    for note in card.notes:
        _show.note(note)
    _show.note(f"measured in {card.raw.facts['seconds']:.0f} s")


def _row(figures: VectorFigures, level: str) -> list[str]:
    slope, one = figures.effect.slope, figures.cost_at(1.0)
    random, side, known = figures.control("random", "norm"), figures.side_effects, figures.knowledge
    return [
        figures.name,
        f"{slope.value:.2f}",
        f"{slope.low:.2f}..{slope.high:.2f}",
        str(figures.effect.n),
        "" if random is None else f"{random.size:.2f}",
        "" if one is None else f"{one.kl_mean:.3f}",
        "" if side.share is None else f"{side.share:.0%}",
        "" if known is None else f"{known.plain:.0%} > {known.up:.0%}",
        level,
    ]
