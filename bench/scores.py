"""Scores held against public data: texts that their word lists were not written for. No model runs.

python -m bench.scores --data DIR        (or EDGESTEER_DATA)

DIR is a folder with `ibm_activation_steering`, `braun_sentiment`, `caa` and
`eval_awareness_compact`, which the project does not ship. Beside each score stands what the number
of words alone does.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import mean

from edgesteer.measure.scores import find_score

Texts = Sequence[str]
_CHOICES = re.compile(r"\(A\)(.*?)\(B\)(.*)", re.DOTALL)


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The share of (positive, negative) couples in the right order; a tie counts half."""
    couples = list(product(positive, negative))
    return sum((p > n) + 0.5 * (p == n) for p, n in couples) / len(couples)


def sets(data: Path) -> list[tuple[str, str, Texts, Texts]]:
    """(what, score, positive texts, negative texts)."""
    replies = json.loads((data / "ibm_activation_steering/behavior_refusal.json").read_text())
    found: list[tuple[str, str, Texts, Texts]] = [
        (
            "beginnings of refusals",
            "refusal",
            replies["non_compliant_responses"],
            replies["compliant_responses"],
        ),
        ("answers that refuse (CAA)", "refusal", *_choices(data / "caa/generate/refusal")),
    ]
    path = data / "braun_sentiment/sentiment_sentences_500_en.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    sides = [[row[side] for row in rows] for side in ("positive", "negative")]
    found.append(("glad and sad sentences", "sentiment", *sides))
    for kind in ("memorization", "synthetic_input", "task_formatting"):
        path = data / f"eval_awareness_compact/{kind}_contrastive_pairs.json"
        pairs = json.loads(path.read_text(encoding="utf-8"))
        texts = [[pair[side] for pair in pairs] for side in ("test", "deploy")]
        found.append((f"test prompts, {kind}", "exam", *texts))
    return found


def _choices(folder: Path) -> tuple[Texts, Texts]:
    """The answers behind the letters of two-option questions."""
    positive, negative = list[str](), list[str]()
    for row in json.loads((folder / "generate_dataset.json").read_text(encoding="utf-8")):
        if match := _CHOICES.search(row["question"]):
            first = "(A)" in row["answer_matching_behavior"]
            (positive if first else negative).append(match[1].strip())
            (negative if first else positive).append(match[2].strip())
    return positive, negative


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.scores")
    parser.add_argument("--data", type=Path, default=os.environ.get("EDGESTEER_DATA"))
    data = parser.parse_args(arguments).data
    if data is None or not Path(data).is_dir():
        print("no data: give --data DIR or set EDGESTEER_DATA", file=sys.stderr)
        return 2
    print(
        "| texts | score | n | positive | negative | AUROC | AUROC of length |\n" + "|---" * 7 + "|"
    )
    for what, name, positive, negative in sets(Path(data)):
        score = find_score(name)
        values = [[score(text) for text in side] for side in (positive, negative)]
        lengths = [[float(len(text.split())) for text in side] for side in (positive, negative)]
        print(
            f"| {what} | {name} | {len(positive)} + {len(negative)} | {mean(values[0]):+.2f} "
            f"| {mean(values[1]):+.2f} | {auroc(*values):.2f} | {auroc(*lengths):.2f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
