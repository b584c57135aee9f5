"""Checks against public data: foreign sentences, foreign multiple choice, a published layer curve.

Not part of `make bench`: it reads data sets that the project does not ship.

    python -m bench.public --data DIR                  everything
    python -m bench.public sentiment --data DIR        some parts: sentiment, caa, shape

DIR, or EDGESTEER_DATA, is a folder with `braun_sentiment` (JoschkaCBraun/adaptive-text-steering),
`caa` (nrimsky/CAA) and `reference_results` (layer sweeps recomputed from CAA's results).

sentiment  a vector from foreign sentence pairs, and the built-in `happy`, on other foreign pairs
caa        a vector from CAA's refusal and sycophancy choices, on its test items: letters, which a
           model of this size hardly follows; the verdict should say so
shape      effect of single layers at equal KL over the depth, beside Llama 2's published curves
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from convert.capture.llama import LlamaCapture
from convert.extract import extract
from convert.pairs import ContrastPairs, Pair, Side
from edgesteer import ControlVector, Model
from edgesteer.atomic import write_atomic
from edgesteer.measure.calibrate import calibrate
from edgesteer.measure.card.controls import ENDS
from edgesteer.measure.card.dose import Dial, find_doses
from edgesteer.measure.damage import NeutralText
from edgesteer.measure.evaluate import FULL, evaluate
from edgesteer.measure.propensity import propensity, steerability
from edgesteer.measure.questions import Item, Questions, QuestionSet, load_questions
from edgesteer.measure.stats import mean_interval, spearman

OUT = Path(__file__).parent / "out"
PAIRS, ITEMS = 48, 24
DEPTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SIZE = replace(FULL, items=ITEMS, strengths=(-1.0, 0.0, 1.0), styles=(), side_items=1, open=0)
ASKED = "How did it go?"


def sentences(data: Path) -> list[tuple[str, str]]:
    """(positive, negative) sentences."""
    path = data / "braun_sentiment" / "sentiment_sentences_500_en.csv"
    with path.open(encoding="utf-8") as file:
        return [(row["positive"], row["negative"]) for row in csv.DictReader(file)]


def choices(data: Path, behaviour: str) -> tuple[ContrastPairs, QuestionSet]:
    """CAA's pairs and test items of a behaviour."""
    rows = json.loads((data / f"caa/generate/{behaviour}/generate_dataset.json").read_text())
    pairs = [
        Pair(
            Side(row["answer_matching_behavior"].strip(), row["question"]),
            Side(row["answer_not_matching_behavior"].strip(), row["question"]),
            number,
        )
        for number, row in enumerate(rows[:PAIRS])
    ]
    rows = json.loads((data / f"caa/test/{behaviour}/test_dataset_ab.json").read_text())
    items = [
        Item(
            row["question"],
            row["answer_matching_behavior"].strip(),
            row["answer_not_matching_behavior"].strip(),
        )
        for row in rows
    ]
    return ContrastPairs(behaviour, tuple(pairs)), QuestionSet(
        f"caa {behaviour}", Questions(), Questions(tuple(items))
    )


def made(model: Model, pairs: ContrastPairs, name: str) -> ControlVector:
    """The default pipeline: mean difference, default layers, calibrated."""
    return calibrate(model, extract(pairs, LlamaCapture(model), name=name))


def told(model: Model, vector: ControlVector, questions: QuestionSet) -> dict[str, Any]:
    """Effect and verdict of a vector on foreign items."""
    card = evaluate(model, vector, questions=questions, settings=SIZE)
    figures, verdict = card.summary.vectors[0], card.verdicts[0]
    random = figures.control("random", "KL")
    return {
        "vector": vector.name,
        "items": figures.effect.n,
        "effect": str(figures.effect.slope),
        "wrong way": round(figures.effect.wrong.value, 3),
        "strongest random at equal KL": None if random is None else round(random.size, 3),
        "verdict": verdict.headline,
    }


def sentiment(model: Model, data: Path) -> list[dict[str, Any]]:
    """Foreign pairs -> vector -> other foreign pairs; and the built-in trait on them."""
    rows = sentences(data)
    foreign = made(model, ContrastPairs.of(rows[:PAIRS], name="foreign"), "foreign")
    items = tuple(Item(ASKED, *row) for row in rows[PAIRS : PAIRS + ITEMS])
    questions = QuestionSet("sentences", Questions(), Questions(items))
    happy = made(model, ContrastPairs.load("happy").limited(PAIRS), "happy")
    return [
        told(model, foreign, questions),
        told(model, happy, questions),
        told(model, foreign, load_questions("happy")),
    ]


def caa(model: Model, data: Path) -> list[dict[str, Any]]:
    """CAA's choices between letters."""
    found = []
    for behaviour in ("refusal", "sycophancy"):
        pairs, questions = choices(data, behaviour)
        found.append(told(model, made(model, pairs, behaviour), questions))
    return found


def shape(model: Model, data: Path) -> list[dict[str, Any]]:
    """Effect of single layers at one KL, by depth, and its rank correlation with Llama 2's."""
    rows = sentences(data)
    vector = extract(ContrastPairs.of(rows[:PAIRS], name="foreign"), LlamaCapture(model))
    items = [Item(ASKED, *row) for row in rows[PAIRS : PAIRS + ITEMS]]
    layers = [round(depth * (model.n_layer - 1)) for depth in DEPTHS]
    single = [vector.at(layer) for layer in layers]
    dials = [Dial(one.__mul__, signs=ENDS) for one in single]
    doses = find_doses(NeutralText(model), dials, 0.05)
    steers = [
        one * (sign * dose.dose) for one, dose in zip(single, doses, strict=True) for sign in ENDS
    ]
    m = propensity(model, items, steers).reshape(len(layers), 2, len(items))
    effects = [steerability([-1.0, 1.0], both) for both in m]
    ours = [effect.slope for effect in effects]
    found = [
        {
            "depth": depth,
            "layer": layer,
            "KL": round(dose.kl, 4),
            "effect": str(mean_interval(effect.slopes, seed=0)),
        }
        for depth, layer, dose, effect in zip(DEPTHS, layers, doses, effects, strict=True)
    ]
    published = json.loads((data / "reference_results/caa_llama2_ab_layer_sweep.json").read_text())
    for size, behaviours in published["results"].items():
        curves = np.array([curve(values) for values in behaviours.values()])
        mean = curves.mean(axis=0)
        found.append(
            {
                "published": f"Llama 2 {size}, mean of {len(curves)} behaviours",
                "peak at depth": DEPTHS[int(mean.argmax())],
                "ours peaks at depth": DEPTHS[int(np.argmax(ours))],
                "rank correlation": round(spearman(mean, ours), 2),
            }
        )
    return found


def curve(values: dict[str, float]) -> list[float]:
    """p(1) - p(-1) at DEPTHS, from {"layer:multiplier": p}, smoothed over the nearest layers."""
    span = {
        int(layer): values[f"{layer}:1"] - values[f"{layer}:-1"]
        for layer in {key.partition(":")[0] for key in values}
    }
    last = max(span)
    return [
        float(np.mean([span[n] for n in span if abs(n / last - depth) <= 0.05])) for depth in DEPTHS
    ]


PARTS: dict[str, Callable[[Model, Path], list[dict[str, Any]]]] = {
    "sentiment": sentiment,
    "caa": caa,
    "shape": shape,
}


def main() -> None:
    """Run the parts that were asked for, print them, keep them as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.public")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--data", type=Path, default=os.environ.get("EDGESTEER_DATA"))
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    if asked.data is None or not asked.data.is_dir():
        sys.exit("error: no data: give its folder with --data or in EDGESTEER_DATA")
    results: dict[str, Any] = {}
    with Model.open(asked.model, threads=asked.threads) as model:
        for part in asked.parts or PARTS:
            results[part] = PARTS[part](model, asked.data)
            print(f"\n{part}")
            for row in results[part]:
                print("  " + ", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    OUT.mkdir(exist_ok=True)
    write_atomic(OUT / "public.json", json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
