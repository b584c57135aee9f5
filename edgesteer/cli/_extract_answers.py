"""Which pairs `edgesteer extract` reads: those given, or the model's own answers.

Does not know how answers are judged (convert.own_answers) nor how pairs are read.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convert.own_answers import OwnAnswers
    from convert.pairs import ContrastPairs
    from edgesteer.cli._progress import Advance
    from edgesteer.library import Library
    from edgesteer.model import Model

__all__ = ["check_options", "choose_pairs"]


def check_options(model_name: str, options: dict[str, Any]) -> None:
    """Raises InputError for what own answers can not do, before anything is opened."""
    from edgesteer.atomic import check_place
    from edgesteer.errors import InputError

    own, path = options["answers"] == "self", options["save_pairs"]
    if path is not None and not own:
        raise InputError("--save-pairs writes own answers only", "add --answers self")
    if not own:
        return
    if options["from_capture"]:
        raise InputError(
            "--from-capture holds what was read: there is nothing to answer",
            "leave out --answers self, or capture again",
        )
    if Path(model_name).expanduser().is_dir():
        raise InputError(
            f"{model_name} is a folder: it can not be asked", "own answers need a GGUF file"
        )
    if path is not None:
        if not path.lower().endswith(".jsonl"):
            raise InputError(f"{path} does not end in .jsonl", f"--save-pairs {path}.jsonl")
        check_place(path)


def choose_pairs(
    stack: ExitStack,
    trait: ContrastPairs,
    source: str,
    model: Model | None,
    model_name: str,
    options: dict[str, Any],
    library: Library,
    advance: Advance,
) -> tuple[ContrastPairs, OwnAnswers | None]:
    """The pairs to read, and what became of the model's answers when they are its own.

    `model` is what is open to calibrate on; without one the model is opened to be asked.
    """
    from edgesteer.cli import _open
    from edgesteer.on_the_spot import enough

    if options["answers"] != "self":
        return enough(trait, source, options["max_pairs"]), None
    asked = model or stack.enter_context(_open.open_model(model_name, options, library))
    answers = _ask(asked, trait, options, advance)
    return answers.pairs, answers


def _ask(
    model: Model, trait: ContrastPairs, options: dict[str, Any], advance: Advance
) -> OwnAnswers:
    """Pairs in the model's own words; written to --save-pairs, those held out last."""
    from convert.own_answers import ask_for_pairs
    from convert.pairs_jsonl import write
    from edgesteer.on_the_spot import TRAIT_PAIRS

    answers = ask_for_pairs(
        model,
        trait,
        n_pairs=options["max_pairs"] or TRAIT_PAIRS,
        seed=options["seed"],
        progress=advance,
    )
    if options["save_pairs"]:
        write(options["save_pairs"], (*answers.pairs.pairs, *answers.pairs.heldout))
    return answers
