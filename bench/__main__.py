"""`make bench`: run the measurements, print a table, write bench/out/bench.json.

python -m bench                 everything
python -m bench single process  some parts: single, watch, batch, process, copies,
                                capture, planted, sweep, reading, serve
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import (
    batches,
    captures,
    copies,
    planted,
    process,
    readings,
    serve,
    single,
    sweeps,
    watching,
)
from edgesteer import Model

OUT = Path(__file__).parent / "out"
PARTS = (
    "single",
    "watch",
    "batch",
    "process",
    "copies",
    "capture",
    "planted",
    "sweep",
    "reading",
    "serve",
)


def measure(parts: list[str], rounds: int = 7) -> dict[str, Any]:
    """Run the parts; returns all figures."""
    results: dict[str, Any] = {"machine": process.machine()}
    if "single" in parts:
        results["decode"] = _told("one stream", single.decode_speed(rounds))
    with Model.open("smollm2", n_ctx=4096) as model:
        results["model"] = {"name": model.name, "description": model.description}
        results["threads"] = model.threads
        if "single" in parts:
            results["change"] = _told("a changed strength", single.strength_change(model))
        if "process" in parts:
            results["memory"] = _told("peak memory", process.peak_memory(model))
            results["start"] = _told("start-up", process.start_up())
            results["slots"] = _told("memory of slots", process.memory_per_sequence(model))
    if "batch" in parts:
        cost = single.callback_cost(rounds)
        results["callback"] = _told("one stream through the callback", cost)
        for title, figures in batches.measure(max(rounds // 2, 2)).items():
            results[f"batch, {title}"] = _told(title, figures)
    if "watch" in parts:
        results["watch"] = _told("one stream, watched", watching.cost(rounds))
    if "copies" in parts:
        results["copies"] = _told("the model in other formats", copies.formats())
    if "capture" in parts:
        results["capture"] = _told("capture", captures.measure(max(rounds // 2, 2)))
    if "planted" in parts:
        results["planted"] = _told("noise until the cosine is below 0.9", planted.measure())
    if "sweep" in parts:
        results["sweeps"] = _told("sweeps", sweeps.measure())
    if "reading" in parts:
        for title, figures in readings.measure().items():
            results[f"reading, {title}"] = _told(f"reading: {title}", figures)
    if "serve" in parts:
        results["serve"] = _told("the server under load", serve.under_load(5))
        results["serve_memory"] = _told("the server's memory", serve.memory())
    return results


def _told(title: str, figures: Mapping[str, Any]) -> Mapping[str, Any]:
    print(f"\n{title}", flush=True)
    for name, value in figures.items():
        if isinstance(value, Mapping) and set(value) == {"median", "low", "high"}:
            print(f"  {name:<34} {value['median']:.3f}  ({value['low']:.3f}..{value['high']:.3f})")
        elif isinstance(value, Mapping):
            for key, figure in value.items():
                print(f"  {key:<34} {figure}  {name}")
        else:
            print(f"  {name:<34} {value}")
    return figures


def main(arguments: list[str]) -> int:
    """Measure what is asked for."""
    unknown = [part for part in arguments if part not in PARTS]
    if unknown:
        print(f"unknown part {unknown[0]!r}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    results = measure(arguments or list(PARTS))
    OUT.mkdir(exist_ok=True)
    path = OUT / "bench.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
