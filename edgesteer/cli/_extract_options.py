"""The options of `edgesteer extract`, in groups: which pairs, how they are read, what is kept.

Does not know what they are used for (extract.py and _extract_steps.py do).
"""

from __future__ import annotations

from shlex import quote

import click

from edgesteer.cli import _options as shared
from edgesteer.cli._copies import copy_options
from edgesteer.errors import InputError
from edgesteer.on_the_spot import TRAIT_PAIRS

__all__ = ["METHOD_NAMES", "OPTIMISED", "keeping_options", "pairs_options", "reading_options"]

#: The method that searches by gradients, through torch (convert.optimise).
OPTIMISED = "bipo"

#: The names in convert.directions, which would take numpy to import.
METHOD_NAMES = (
    "mean-difference",
    "geometric-median",
    "winsorised",
    "mean-centring",
    "pca",
    "centred-pca",
    "cross-covariance",
    "probe",
    "whitened",
    OPTIMISED,
)


def _npz_file(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.lower().endswith(".npz"):
        raise InputError(
            f"{value!r} does not end in .npz: activations are kept in such a file",
            f"--save-capture {quote(value)}.npz",
        )
    return value


pairs_options = shared.group(
    click.option(
        "--max-pairs",
        type=click.IntRange(min=2),
        metavar="N",
        help=f"Read the first N pairs only: quicker, less exact.  [default: "
        f"all; {TRAIT_PAIRS} of a trait]",
    ),
    click.option(
        "--cluster",
        type=click.IntRange(min=2),
        metavar="K",
        help="Divide the pairs into K clusters and make a vector of each, NAME-1 to NAME-K.",
    ),
    click.option(
        "--answers",
        type=click.Choice(["given", "self"]),
        default="given",
        show_default=True,
        help="Read the pairs as given, or let the model write its own under the personas.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        metavar="N",
        help="How own answers are drawn: same seed, same pairs.",
    ),
    click.option(
        "--save-pairs",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Write the model's own pairs to a .jsonl file.",
    ),
)

reading_options = shared.group(
    click.option(
        "--capture",
        type=click.Choice(["llama", "torch"]),
        default="llama",
        show_default=True,
        help="Who reads the activations: llama.cpp on the very file, or torch.",
    ),
    click.option(
        "--method",
        default="mean-difference",
        show_default=True,
        metavar="NAME",
        help=f"How a direction is made of them: {', '.join(METHOD_NAMES)}; {OPTIMISED} searches on "
        "from mean-difference by gradients, and needs torch.",
    ),
    click.option(
        "--steps",
        type=click.IntRange(min=1),
        default=80,
        show_default=True,
        metavar="N",
        help=f"Most steps of {OPTIMISED}; an interrupted search goes on where it was.",
    ),
    click.option(
        "--positions",
        metavar="TOKENS",
        help="Which tokens are read: last, prompt (the one before the answer), answer or mean (the "
        "mean of the answer or the text), a number, or a list such as last,prompt-1, of which the "
        "best is used; template lists what the chat template writes behind the user's text.  "
        "[default: last; answer for own answers]",
    ),
    click.option(
        "-l",
        "--layers",
        metavar="LAYERS",
        help="Layers to read and to steer.  [default: read all, recommend the best]",
    ),
    copy_options,
    click.option(
        "--weights",
        metavar="FOLDER",
        help="What torch reads instead of the GGUF file: the transformers folder that it was made "
        "of, or hf://ORG/NAME, which is downloaded.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "float16"]),
        default="float32",
        show_default=True,
        help="Number format of torch.",
    ),
    click.option(
        "--save-capture",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        callback=_npz_file,
        help="Keep the activations in FILE.npz, for other methods and layers.",
    ),
    click.option(
        "--from-capture",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Use the activations in FILE.npz: the same pairs and model, not read again.",
    ),
)

keeping_options = shared.group(
    click.option("--name", help="Its name.  [default: that of the pairs]"),
    click.option("--no-calibrate", is_flag=True, help="Keep the natural length of the directions."),
    shared.out_option,
    click.option(
        "--force", is_flag=True, help="Keep the vector even if the pairs do not share a direction."
    ),
)
