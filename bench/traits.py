"""The built-in traits on a real model: quality, and what their scores say of steered answers.

python -m bench.traits                      all traits, on the bundled model
python -m bench.traits calm formal --own    these, and once more from the model's own answers
python -m bench.traits calm --show          with answers at -1, 0 and +1

The questions are those that a trait keeps for reports. Beside the steered answers stand answers
under the trait's personas, unsteered: what plain prompting does, and a check of the score by texts
that its word lists were not written for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from itertools import product
from statistics import mean
from typing import Any

from convert.capture.llama import LlamaCapture
from convert.extract import extract
from convert.own_answers import ask_for_pairs
from convert.pairs import ContrastPairs, Pair, Side
from convert.rendering import render_pairs
from convert.traits import trait_names
from edgesteer import ControlVector, Model
from edgesteer.measure.calibrate import calibrate
from edgesteer.measure.damage import repetition
from edgesteer.measure.questions import load_questions
from edgesteer.measure.scores import Score, find_score
from edgesteer.on_the_spot import enough

STRENGTHS = (-1.0, 0.0, 1.0)
SEEDS = (1, 2)
N_TOKENS = 48
COLUMNS = (
    "trait",
    "agreement",
    "d'",
    "split-half",
    "score -1",
    "0",
    "+1",
    "AUROC",
    "loops -1",
    "0",
    "+1",
    "by prompt",
    "AUROC",
    "s",
)


def measure(model: Model, trait: str, *, own: bool = False, show: bool = False) -> list[str]:
    """One row of the table; with `own` from the model's own answers."""
    began = time.monotonic()
    pairs, questions = ContrastPairs.load(trait), load_questions(trait)
    score, asked = find_score(questions.score), questions.test.open
    vector = _vector(model, pairs, own=own)
    seconds = time.monotonic() - began
    found = {x: _answers(model, list(asked), vector * x if x else None) for x in STRENGTHS}
    if show:
        _show(asked, found)
    scores = [[score(text) for text in found[x]] for x in STRENGTHS]
    loops = [mean(repetition(text.split(), 3) for text in found[x]) for x in STRENGTHS]
    quality = vector.meta["quality"]
    best = quality["layers"].index(quality["best_layers"][0])
    return [
        f"{trait}, own answers" if own else trait,
        *(f"{quality[key][best]:.2f}" for key in ("agreement", "discriminability", "stability")),
        *(f"{mean(part):+.2f}" for part in scores),
        f"{auroc(scores[2], scores[0]):.2f}",
        *(f"{share:.2f}" for share in loops),
        *_by_prompt(model, pairs, asked, score),
        f"{seconds:.0f}",
    ]


def _vector(model: Model, pairs: ContrastPairs, *, own: bool) -> ControlVector:
    if not own:
        made = extract(enough(pairs, pairs.name), LlamaCapture(model))
    else:
        answers = ask_for_pairs(model, pairs)
        print(f"{pairs.name}: {answers}", file=sys.stderr)
        made = extract(answers.pairs, LlamaCapture(model), positions="answer")
    return calibrate(model, made)


def _answers(model: Model, prompts: Sequence[Any], steer: Any, **how: Any) -> list[str]:
    texts = []
    for seed in SEEDS:
        settings = {"temperature": 0.7, "max_tokens": N_TOKENS, "seed": seed, **how}
        replies = model.ask_many(prompts, steer=steer, **settings)
        texts += [reply.text for reply in replies]
    return texts


def _by_prompt(
    model: Model, pairs: ContrastPairs, asked: Sequence[str], score: Score
) -> tuple[str, str]:
    """What the personas do as system messages: mean scores of both sides, and their AUROC."""
    if not pairs.personas:
        return "", ""
    sides = []
    for side in (0, 1):
        personas = [pairs.personas[i % len(pairs.personas)][side] for i in range(len(asked))]
        asks = [Side("", user, persona) for user, persona in zip(asked, personas, strict=True)]
        rendered = render_pairs([Pair(one, one) for one in asks], LlamaCapture(model).render)
        prompts = [pair.positive for pair in rendered]
        sides.append([score(text) for text in _answers(model, prompts, None, raw=True)])
    return f"{mean(sides[1]):+.2f}..{mean(sides[0]):+.2f}", f"{auroc(sides[0], sides[1]):.2f}"


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The share of (positive, negative) couples in the right order; a tie counts half."""
    couples = list(product(positive, negative))
    return sum((p > n) + 0.5 * (p == n) for p, n in couples) / len(couples)


def _show(asked: Sequence[str], found: dict[float, list[str]]) -> None:
    for i in (0, len(asked) // 2):
        print(f"\n? {asked[i]}")
        for x in STRENGTHS:
            print(f"  {x:+.0f}  {' '.join(found[x][i].split())}")


def main(arguments: list[str]) -> int:
    """Print the table, row by row."""
    names = [word for word in arguments if not word.startswith("--")] or list(trait_names())
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    with Model.open("smollm2", n_ctx=8192, n_seq=8) as model:
        for name, own in product(names, (False, True) if "--own" in arguments else (False,)):
            row = measure(model, name, own=own, show="--show" in arguments)
            print("| " + " | ".join(row) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
