"""`edgesteer models tune`: in which format a model runs fastest here, and the copy that does.

Does not know what is measured (tune.py) nor where copies lie (working_copy.py).
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import models

if TYPE_CHECKING:
    from edgesteer.library import Library, ModelEntry
    from edgesteer.tune import Table


@click.command()
@click.argument("name", required=False, metavar="[MODEL]", shell_complete=models)
@click.option(
    "--use",
    metavar="FORMAT",
    default="",
    help="Make the copy in this format and use it: q8_0, bf16, f16 or q4_0.",
)
@click.option("--again", is_flag=True, help="Measure anew, though there is a table already.")
@click.option("--large", is_flag=True, help="Also copy a file of more than 4 GB.")
@click.option("--rm", "remove", is_flag=True, help="Delete the model's copies and its table.")
@shared.device_options
@shared.json_option
@shared.output_options
def tune(name: str | None, **options: Any) -> None:
    """Measure a model in several formats; keep the fastest close copy.

    The copy holds the same weights in a format that this machine reads faster. extract uses it from
    then on; chat does when it is named. Vectors fit both.

    \b
    edgesteer models tune smollm2
    edgesteer chat -m smollm2@q8_0
    """
    from edgesteer.cli import _show
    from edgesteer.library import DEFAULT_MODEL, Library

    library = Library()
    entry = library.find_model(name or DEFAULT_MODEL)
    if options["remove"]:
        _remove(library, entry)
        return
    table = _table(library, entry, options)
    if options["as_json"]:
        facts = {"model": entry.name, "path": str(entry.path), **table.to_dict()}
        facts["gain"] = round(table.gain, 3)
        _show.print_json(facts)
        return
    _print(table)
    _advise(library, entry, table, name or DEFAULT_MODEL)


def _table(library: Library, entry: ModelEntry, options: dict[str, Any]) -> Table:
    """The table, measured now or remembered."""
    from edgesteer.cli._copies import measure
    from edgesteer.tune import machine, remembered

    if not (options["use"] or options["again"]):
        key = machine(options["device"], options["gpu_layers"])
        found = remembered(library, entry.path, key)
        if found is not None:
            return found
    return measure(library, entry, options, use=options["use"].lower(), large=options["large"])


def _print(table: Table) -> None:
    from edgesteer.cli import _show

    rows = []
    for number, row in enumerate(table.rows):
        if not row.n_bytes:
            rows.append([row.format, "", "", "", "", row.problem])
            continue
        what = "original" if number == 0 else "in use" if row.format == table.format else ""
        speeds = (f"{row.prefill:.0f}", f"{row.decode:.0f}")
        distance = f"{row.kl:.4f}" if number else ""
        rows.append([row.format, _show.size(row.n_bytes), *speeds, distance, what or row.problem])
    _show.table(["FORMAT", "SIZE", "READ t/s", "WRITE t/s", "KL", ""], rows)


def _advise(library: Library, entry: ModelEntry, table: Table, called: str) -> None:
    """What the copy is good for, or that none is."""
    from edgesteer.cli import _show
    from edgesteer.working_copy import CopyShelf

    copy = CopyShelf(library).find(entry.path, table.format) if table.format else None
    if copy is None:
        _show.note("no close copy is faster: the file itself is used")
        return
    _show.note(f"{table.gain:.1f} times as fast at reading; extract uses {copy.path}")
    _show.note(f"for chat too: edgesteer chat -m {quote(f'{called}@{copy.format}')}")
    _show.note(f"to be rid of it: edgesteer models tune {quote(called)} --rm")


def _remove(library: Library, entry: ModelEntry) -> None:
    from edgesteer.cli import _show
    from edgesteer.working_copy import CopyShelf

    gone = CopyShelf(library).remove(entry.path)
    for path in gone:
        _show.note(f"deleted {path}")
    if not gone:
        _show.note(f"there was no working copy of {entry.name}")
