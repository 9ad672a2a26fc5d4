"""The performance-profile figure. Needs no display and leaves matplotlib's global state alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from mlgym_synth.errors import InputError
from mlgym_synth.evaluation.aup import Profiles
from mlgym_synth.files import write_atomic

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
LINES = {"best": "-", "last": (0, (4, 2))}
"""Line styles of the variants: methods differ in colour, variants in dashes."""
INK = {"light": "#1f2328", "dark": "#e6e6e3"}

Format = Literal["png", "svg"]


def render_profiles(profiles: Profiles, image_format: Format, theme: Literal["light", "dark"] = "light") -> bytes:
    """Draws the performance profiles of all methods and variants.

    Args:
        profiles: What to draw.
        image_format: `png` on white (7 by 4.2 inches, 200 dots per inch) or `svg` on transparent ground.
        theme: Colour of text and axes, to suit the ground that an SVG is laid on.

    Returns:
        The image. Equal profiles give equal bytes.
    """
    ink = INK[theme]
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    methods = list(dict.fromkeys(method for curves in profiles.curves.values() for method in curves))
    for index, method in enumerate(methods):
        for variant, curves in profiles.curves.items():
            area = profiles.areas[variant][method]
            axes.step(
                profiles.tau,
                curves[method],
                where="post",
                color=COLOURS[index % len(COLOURS)],
                linestyle=LINES.get(variant, ":"),
                linewidth=2.0,
                label=f"{_plain(method)}, {variant} attempt: AUP {area:.3f}",
            )
    axes.set_xlim(0.0, float(profiles.tau[-1]))
    axes.set_ylim(-0.02, 1.04)
    axes.set_xlabel(r"$\tau$: score within a factor $10^\tau$ of the best method's", color=ink)
    axes.set_ylabel(r"$\rho(\tau)$: share of tasks", color=ink)
    axes.tick_params(colors=ink)
    axes.grid(color="#8c8c8c", alpha=0.25, linewidth=0.7)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink)
    axes.legend(loc="lower right", frameon=False, labelcolor=ink, fontsize="small")
    stream = io.BytesIO()
    # The salt makes the ids inside an SVG a function of its content.
    with mpl.rc_context({"svg.hashsalt": "mlgym-synth"}):
        if image_format == "svg":
            figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
        else:
            figure.savefig(stream, format="png", dpi=200, facecolor="white")
    return stream.getvalue()


def write_profiles(profiles: Profiles, path: Path) -> None:
    """Writes the figure to a file whose suffix says the format, `.png` or `.svg`.

    Raises:
        InputError: If the suffix is another one, or the file cannot be written.
    """
    formats: dict[str, Format] = {".png": "png", ".svg": "svg"}
    if path.suffix not in formats:
        raise InputError(f"cannot draw a {path.suffix or 'file without suffix'}", "name the figure .png or .svg")
    write_atomic(path, render_profiles(profiles, formats[path.suffix]))


def _plain(label: str) -> str:
    """A label without mathtext: a method's name is not markup."""
    return label.replace("$", r"\$")
