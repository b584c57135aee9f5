"""`edgesteer vectors list`: the vectors in the library.

Does not know where the library is.
"""

from __future__ import annotations

import click

from edgesteer.cli import _options as shared


@click.command("list")
@shared.json_option
@shared.output_options
def list_vectors(as_json: bool) -> None:
    """List the vectors in the library."""
    from edgesteer.cli import _show
    from edgesteer.cli.vectors._facts import brief
    from edgesteer.library import Library

    library = Library()
    entries = library.vectors()
    if as_json:
        _show.print_json([brief(entry) for entry in entries])
        return
    if not entries:
        _show.note(f"no vectors in {library.vectors_folder}; edgesteer extract calm makes one")
        return
    rows = []
    for entry in entries:
        facts = brief(entry)
        if entry.problem:
            rows.append([entry.name, "can not be read", "", "", entry.problem])
        else:
            rows.append(
                [
                    entry.name,
                    facts["layers"],
                    facts["recommended"] or "all",
                    _band(facts["strength"]),
                    facts["model"]["name"] if facts["model"] else "not known",
                ]
            )
    _show.table(["NAME", "LAYERS", "RECOMMENDED", "STRENGTH", "MODEL"], rows)


def _band(strength: dict[str, float] | None) -> str:
    return f"{strength['low']:g}..{strength['high']:g}" if strength else "not calibrated"
