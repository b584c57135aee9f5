"""The command line: `edgesteer COMMAND ...`.

Does not know what a command does: each lives in a file of its own, imported when it is used.
"""

from __future__ import annotations

import sys

import click

from edgesteer.cli._group import RootGroup

__all__ = ["cli", "main"]

_COMMANDS = {
    "chat": "edgesteer.cli.chat:chat",
    "run": "edgesteer.cli.run:run",
    "compare": "edgesteer.cli.compare:compare",
    "traits": "edgesteer.cli.traits:traits",
    "extract": "edgesteer.cli.extract:extract",
    "evaluate": "edgesteer.cli.evaluate:evaluate",
    "monitor": "edgesteer.cli.monitor:monitor",
    "clusters": "edgesteer.cli.clusters:clusters",
    "causes": "edgesteer.cli.causes:causes",
    "serve": "edgesteer.cli.serve:serve",
    "calibrate": "edgesteer.cli.calibrate:calibrate",
    "sweep": "edgesteer.cli.sweep:sweep",
    "vectors": "edgesteer.cli.vectors:vectors",
    "models": "edgesteer.cli.models:models",
    "recipes": "edgesteer.cli.recipes:recipes",
    "doctor": "edgesteer.cli.doctor:doctor",
    "where": "edgesteer.cli.where:where",
}


def _show_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked:
        from edgesteer import __version__

        click.echo(f"edgesteer {__version__}")
        ctx.exit()


@click.group(
    cls=RootGroup,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Steer a language model while it talks, on this machine, offline.

    \b
    edgesteer extract calm            make a vector from a built-in trait
    edgesteer chat -s calm=1          talk, and turn it: /steer calm +0.2
    edgesteer compare -s calm=1 "I lost my keys!"

    Completion of commands and names, for bash (also zsh_source, fish_source):

    \b
    eval "$(_EDGESTEER_COMPLETE=bash_source edgesteer)"
    """


def main() -> None:
    """The entry point of the `edgesteer` command."""
    for stream in (sys.stdout, sys.stderr):
        # A console that can not show a character shows a stand-in; it never ends an answer.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    cli(prog_name="edgesteer")
