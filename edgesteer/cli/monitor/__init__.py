"""`edgesteer monitor`: read vectors in a text, fit read-outs, find conditions, audit them.

Does not know what is read (edgesteer.monitor): each of its jobs is in a file of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._complete import steering
from edgesteer.cli._copies import copy_options
from edgesteer.errors import InputError

_JOBS = ("fit", "find_condition", "audit")


@click.command()
@click.argument("watch", metavar="VECTORS", shell_complete=steering)
@click.argument("text", required=False, metavar="[TEXT|-]")
@shared.model_option
@click.option(
    "--as",
    "read_as",
    type=click.Choice(["prompt", "answer", "raw"]),
    help="Read TEXT as a message, as the model's answer, or as it is.  [default: as it was fitted]",
)
@click.option(
    "--answer-to", default="", metavar="PROMPT", help="The prompt that TEXT is the answer to."
)
@click.option("--fit", is_flag=True, help="Fit the read-out, and keep it with the vector.")
@click.option(
    "--find-condition",
    type=click.Path(),
    metavar="FILE",
    help="Search layer, threshold and side of a gate on labelled prompts.",
)
@click.option(
    "--audit", is_flag=True, help="Hold the read-out against length and words, on kinds of text."
)
@click.option(
    "--on",
    multiple=True,
    metavar="FILE|TRAIT",
    help="Labelled texts to fit or audit on; each is a kind of text.  [default: the trait of that "
    "name, which an audit always takes first]",
)
@click.option(
    "--max-texts", type=click.IntRange(min=8), metavar="N", help="Audit on N texts of a kind."
)
@click.option(
    "--randoms",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    metavar="N",
    help="Random vectors to steer by in an audit; 0 leaves the steering out.",
)
@click.option(
    "--positive", metavar="WORD", help="The label that means positive, where labels are words."
)
@click.option("-l", "--layers", metavar="LAYERS", help="Layers to choose from.  [default: all]")
@click.option(
    "--tokens",
    type=click.Choice(["answer", "last", "mean"]),
    help="Fit on the mean over an answer, a prompt's last token, or the mean over a prompt.",
)
@click.option("--whiten", is_flag=True, help="Fit a whitened (mass-mean) direction.")
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Fit a threshold that so few negative texts pass.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write a page.",
)
@copy_options
@shared.engine_options
@shared.json_option
@shared.output_options
def monitor(watch: str, text: str | None, **options: Any) -> None:
    """Read vectors in a text, token by token.

    Without a fitted read-out the readings are raw. '-' reads the text from stdin.

    \b
    edgesteer monitor calm "Sit down! Now! Well, take your time."
    edgesteer monitor calm --fit
    edgesteer monitor harmful --find-condition prompts.jsonl
    edgesteer monitor testlike --audit --on exams.jsonl --on forms.jsonl --html audit.html
    """
    jobs = [job for job in _JOBS if options[job]]
    if len(jobs) > 1:
        one, other = (f"--{job.replace('_', '-')}" for job in jobs[:2])
        raise click.UsageError(f"{one} and {other} are two jobs: give one of them")
    if jobs and text is not None:
        raise click.UsageError(f"--{jobs[0].replace('_', '-')} reads labelled texts, not TEXT")
    if not jobs and text is None:
        raise InputError("there is no text to read", 'edgesteer monitor calm "Sit down! Now!"')
    if options["html"] is not None:
        from edgesteer.atomic import check_place

        check_place(options["html"])
    if options["fit"]:
        from edgesteer.cli.monitor.fit import fit

        fit(watch, options)
    elif options["find_condition"]:
        from edgesteer.cli.monitor.condition import condition

        condition(watch, options)
    elif options["audit"]:
        from edgesteer.cli.monitor.audit import audit

        audit(watch, options)
    else:
        from edgesteer.cli.monitor.read import read

        read(watch, text or "", options)
