"""The options that several commands share, in groups.

Does not know what they are used for (_request.py puts them together).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from shlex import quote
from typing import Any, TypeVar

import click

from edgesteer.cli import _complete
from edgesteer.cli._group import MODEL, OFFLINE, VERBOSITY
from edgesteer.errors import InputError

__all__ = [
    "device_options",
    "engine_options",
    "force_option",
    "group",
    "json_option",
    "model_option",
    "out_option",
    "output_options",
    "required_model_option",
    "sampling_options",
    "save_option",
    "steering_options",
    "watch_option",
    "yes_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


def group(*options: Decorator[Any]) -> Decorator[Any]:
    """Several options as one decorator, shown in the order in which they are given."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _set_verbosity(ctx: click.Context, param: click.Parameter, value: int) -> None:
    if param.name == "quiet":
        if value:
            ctx.meta[VERBOSITY] = -1
    elif value:
        ctx.meta[VERBOSITY] = value
        _log_to_stderr(ctx, value)


def _log_to_stderr(ctx: click.Context, level: int) -> None:
    import logging

    log, handler = logging.getLogger("edgesteer"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    llama = logging.getLogger("edgesteer.llama")
    before = log.level, llama.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if level > 1 else logging.INFO)
    llama.setLevel(logging.DEBUG if level > 1 else logging.WARNING)

    def undo() -> None:
        log.removeHandler(handler)
        log.setLevel(before[0])
        llama.setLevel(before[1])

    ctx.find_root().call_on_close(undo)


def _remember_model(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        ctx.meta[MODEL] = value
    return value


def _remember_offline(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    ctx.meta[OFFLINE] = value


def _gguf_file(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.lower().endswith(".gguf"):
        raise InputError(
            f"{value!r} does not end in .gguf: a vector is a GGUF file", f"-o {quote(value)}.gguf"
        )
    return value


_model_option = partial(
    click.option,
    "-m",
    "--model",
    metavar="MODEL",
    callback=_remember_model,
    shell_complete=_complete.models,
)
model_option = _model_option(help="A model's name or GGUF file.  [default: smollm2]")
required_model_option = _model_option(
    required=True, help="The model that it is for: a name or a GGUF file."
)

steering_options = group(
    click.option(
        "-s",
        "--steer",
        multiple=True,
        metavar="STEERING",
        shell_complete=_complete.steering,
        help="NAME=STRENGTH[@LAYERS], such as calm=1.2@8-16; may be given several times.",
    ),
    click.option(
        "-r",
        "--recipe",
        metavar="RECIPE",
        shell_complete=_complete.recipes,
        help="A saved recipe's name or TOML file; other options override it.",
    ),
    click.option(
        "-l",
        "--layers",
        metavar="LAYERS",
        help="Layers for every vector that names none: 8-16, 40%-80%, 8,10,12-14 or all.",
    ),
    click.option(
        "--no-make",
        is_flag=True,
        help="Do not make the vector of a built-in trait that the library lacks.",
    ),
)

device_options = group(
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "gpu"]),
        default="auto",
        show_default=True,
        help="Where the model runs.",
    ),
    click.option(
        "--gpu-layers",
        type=click.IntRange(min=0),
        metavar="N",
        help="How many layers go to the GPU.  [default: all that fit]",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help="CPU threads.  [default: one a core]",
    ),
)

engine_options = group(
    device_options,
    click.option(
        "--ctx",
        type=click.IntRange(min=16),
        default=4096,
        show_default=True,
        metavar="TOKENS",
        help="Length of the context.",
    ),
)

sampling_options = group(
    click.option("--system", metavar="TEXT", help="The system message."),
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        metavar="N",
        help="Longest answer.  [default: 512]",
    ),
    click.option(
        "--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Same seed, same answer."
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(min=0),
        metavar="T",
        help="0 always takes the likeliest token.  [default: 0.8]",
    ),
    click.option(
        "--top-k",
        type=click.IntRange(min=0),
        metavar="K",
        help="Draw from the K likeliest tokens; 0 for all.  [default: 40]",
    ),
    click.option(
        "--top-p",
        type=click.FloatRange(0, 1),
        metavar="P",
        help="Draw from the likeliest tokens that make up P.  [default: 0.95]",
    ),
    click.option(
        "--min-p",
        type=click.FloatRange(0, 1),
        metavar="P",
        help="Leave out tokens below P of the likeliest one.  [default: 0.05]",
    ),
    click.option(
        "--repeat-penalty",
        type=click.FloatRange(min=0, min_open=True),
        metavar="X",
        help="Above 1 makes repetition less likely.  [default: 1.0]",
    ),
)

save_option = group(
    click.option("--save", metavar="RECIPE", help="Save model, steering and settings as a recipe."),
    click.option("--force", is_flag=True, help="Replace the recipe that --save names."),
)

watch_option = click.option(
    "--watch",
    multiple=True,
    metavar="VECTORS",
    shell_complete=_complete.steering,
    help="Read these vectors at each token, such as 'calm formal@12'; may be given several times.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

output_options = group(
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_set_verbosity,
        help="No figures and notes on stderr.",
    ),
    click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_set_verbosity,
        help="Show the log; -vv also llama.cpp's, and tracebacks.",
    ),
    click.option(
        "--offline",
        is_flag=True,
        expose_value=False,
        callback=_remember_offline,
        help="Never use the network; only 'models add hf://...' ever does.",
    ),
)

out_option = click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    callback=_gguf_file,
    help="Write to FILE instead of the library.",
)

force_option = click.option("--force", is_flag=True, help="Replace what has that name.")

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
