"""The page of an activation patching: the map, what it says, and what it does not say.

Knows nothing of how patches are made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgesteer.report.html import Block, Callout, Cell, Figure, Prose, Report, Section, Table
from edgesteer.report.html import write_report as write
from edgesteer.report.patch_picture import patch_svg

if TYPE_CHECKING:
    from edgesteer.measure.patching import PatchMap

__all__ = ["write_patch_page"]


def write_patch_page(found: PatchMap, path: Path, *, title: str, pairs: int) -> Path:
    """Writes the page. Raises MissingExtraError and FileWriteError."""
    return write(path, _report(found, title, pairs))


def _report(found: PatchMap, title: str, pairs: int) -> Report:
    best = int(found.whole.argmax())
    blocks: list[Block] = [
        Figure(
            patch_svg(found, "full"),
            f"Layers by tokens: the share of the answer that one patched activation recovers. Most "
            f"at layer {found.layers[best]}, all tokens together: {found.whole[best]:.2f}.",
            "All of the activation. The column behind the line patches all tokens at once.",
        )
    ]
    if found.along is not None:
        blocks.append(
            Figure(
                patch_svg(found, "along", along=True),
                f"The same, only the part along {found.vector}.",
                f"Only the part along {found.vector}.",
            )
        )
    return Report(
        title,
        [
            Section("The map", blocks),
            Section("Layer by layer", [_table(found)]),
            Section("How to read it", [Prose(_READING)]),
        ],
        kicker="activation patching",
        subtitle=f"{len(found.contrasts)} of {pairs} pairs; {found.contrasts.mean():.2f} nats a "
        "token between their answers",
        summary=[
            Callout(
                "Candidates",
                f"By layers {found.candidates} the trait has reached the last tokens.",
                points=[f"edgesteer sweep VECTOR --layers {found.candidates}"],
            )
        ],
    )


_READING = (
    "Two prompts differ in their persona and end in the same tokens. One activation of the prompt "
    "with the trait is put into the prompt without it, and the answer is scored again: 0 is the "
    "answer without the trait, 1 the answer with it. Below 0 the patch drives the answer away.",
    "A high share tells that what is carried there is enough to bring the answer back. It does not "
    "tell that it is needed: other places may carry the same. A patch along a vector may also wake "
    "a direction that the model does not use; where it recovers more than the whole activation "
    "does, that is the likelier reading.",
)


def _table(found: PatchMap) -> Table:
    header = ["layer", "all tokens", "best single token", "its token"]
    if found.along_whole is not None:
        header.append(f"all tokens, along {found.vector}")
    rows = []
    for i, layer in reversed(list(enumerate(found.layers))):
        token = int(found.full[i].argmax())
        row = [
            Cell(str(layer)),
            Cell(float(found.whole[i]), shade=float(found.whole[i])),
            Cell(float(found.full[i, token])),
            Cell(found.tokens[token].strip() or repr(found.tokens[token])),
        ]
        if found.along_whole is not None:
            share = float(found.along_whole[i])
            row.append(Cell(share, shade=share))
        rows.append(row)
    return Table(header, rows, "Recovered shares.")
