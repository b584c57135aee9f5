"""`edgesteer traits`: what the built-in traits are, or what is in a file of contrast pairs.

Does not know the format of a trait (convert.pairs_toml) nor how one is measured.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import traits as trait_or_file

if TYPE_CHECKING:
    from convert.pairs import ContrastPairs, Side

_WIDTH = 16
_EXAMPLE = 160


@click.command()
@click.argument("name", metavar="[TRAIT|FILE]", required=False, shell_complete=trait_or_file)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the built-in trait to a .toml file, to make your own from it.",
)
@shared.json_option
@shared.output_options
def traits(name: str | None, out: Path | None, as_json: bool) -> None:
    """List the built-in traits, or show one.

    A trait is contrast pairs to make a vector from, and what that vector is measured with. A file
    of your own, .toml or .jsonl, is read and checked.

    \b
    edgesteer traits
    edgesteer traits calm
    edgesteer traits calm -o mine.toml
    """
    from edgesteer.cli import _show

    if name is None:
        if out is not None:
            raise click.UsageError("which trait? such as: edgesteer traits calm -o mine.toml")
        _list(as_json)
        return
    from convert.pairs import ContrastPairs

    pairs = ContrastPairs.load(name)
    told = _facts(pairs, name)
    if out is not None:
        _write(name, out)
        told["path"] = name = str(out)
    if as_json:
        _show.print_json(told)
    elif out is not None:
        click.echo(out)
    else:
        _print(told, pairs)
    if out is not None or not as_json:
        _show.note(f"next: edgesteer extract {shlex.quote(name)}")


def _print(told: Mapping[str, Any], pairs: ContrastPairs) -> None:
    from edgesteer.cli import _show

    _show.facts(
        [
            ("trait", told["name"]),
            ("", told["description"]),
            ("positive", told["positive"]),
            ("negative", told["negative"]),
            ("pairs", f"{told['pairs']}, and {told['heldout']} to judge the vector by"),
            ("items", f"{told['validation_items']} to choose by, {told['test_items']} to report"),
            ("open questions", told["questions"]),
            ("score", told["score"] or "none: open answers are not scored"),
        ],
        _WIDTH,
    )
    first = pairs.pairs[0]
    click.echo()
    _show.facts(
        [("for example", f"+ {_text(first.positive)}"), ("", f"- {_text(first.negative)}")],
        _WIDTH,
    )


def _list(as_json: bool) -> None:
    from convert.pairs import ContrastPairs
    from edgesteer.cli import _show
    from edgesteer.library import Library, builtin_traits

    found = [_facts(ContrastPairs.load(name), name) for name in builtin_traits()]
    if as_json:
        _show.print_json(found)
        return
    made = {known.rpartition("/")[2] for known in Library().vector_names()}
    rows = [
        (t["name"], t["positive"], t["negative"], t["pairs"], "made" if t["name"] in made else "")
        for t in found
    ]
    _show.table(("TRAIT", "POSITIVE", "NEGATIVE", "PAIRS", "VECTOR"), rows)
    _show.note("edgesteer traits NAME shows one; edgesteer extract NAME makes its vector")


def _facts(pairs: ContrastPairs, source: str) -> dict[str, Any]:
    from edgesteer.measure.questions import load_questions

    asked = load_questions(source)
    return {
        "name": pairs.name,
        "description": pairs.description,
        "positive": pairs.positive_name,
        "negative": pairs.negative_name,
        "pairs": len(pairs),
        "heldout": len(pairs.heldout),
        "validation_items": len(asked.validation.items),
        "test_items": len(asked.test.items),
        "questions": len(pairs.questions),
        "score": pairs.score,
    }


def _text(side: Side) -> str:
    persona = f"[{side.system}]" if side.system else ""
    text = " ".join(f"{persona} {side.user or ''} {side.answer}".split())
    return text if len(text) <= _EXAMPLE else f"{text[:_EXAMPLE]}..."


def _write(name: str, out: Path) -> None:
    from edgesteer.atomic import write_atomic
    from edgesteer.errors import InputError
    from edgesteer.library import builtin_traits
    from edgesteer.names import check_file_name

    if name not in builtin_traits():
        raise InputError(f"{name} is no built-in trait", "copy the file itself")
    if out.suffix.lower() != ".toml":
        raise InputError(f"{out} does not end in .toml: a trait is a TOML file", f"-o {out}.toml")
    if out.exists():
        raise InputError(f"{out} is there already", "give another name")
    own = check_file_name(out.stem, "trait")
    if own in builtin_traits():
        raise InputError(
            f"{own} is a built-in trait, whose vector yours would replace", f"-o my-{own}.toml"
        )
    text = builtin_traits()[name].read_text(encoding="utf-8")
    write_atomic(out, re.sub(r'(?m)^name = ".*"$', f'name = "{own}"', text, count=1))
