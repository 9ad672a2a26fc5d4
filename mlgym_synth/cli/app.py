"""The application object that the verbs hang on."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgym_synth.cli.console import out

app = typer.Typer(
    name="mlgym-synth",
    help="Machine-learning research tasks, synthesised automatically and proved sound.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from mlgym_synth import __version__

        out.print(f"mlgym-synth {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Machine-learning research tasks, synthesised automatically and proved sound."""
