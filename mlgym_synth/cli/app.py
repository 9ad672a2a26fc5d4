"""The application object that the verbs hang on."""

from __future__ import annotations

from typing import Annotated

import typer

from mlgym_synth.cli.console import out

app = typer.Typer(
    name="mlgym-synth",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Machine-learning research tasks, synthesised automatically and proved sound."""
    if version:
        from mlgym_synth import __version__

        out.print(f"mlgym-synth {__version__}")
    elif context.invoked_subcommand is None:
        context.get_help()
