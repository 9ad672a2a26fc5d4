"""The space of texts. Gymnasium's own `Text` needs every allowed character listed, which is slow over Unicode."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
from gymnasium import Space

_SAMPLED = np.array(list(string.ascii_letters + string.digits + string.punctuation + " \n"))
_SAMPLED_LENGTH = 64


class Text(Space[str]):
    r"""All texts that UTF-8 can encode, of any length and number of lines.

    Samples are short and printable ASCII: nonsense as shell commands, which is what random actions are for.

    Example:
        >>> space = Text(seed=0)
        >>> "ls\n" in space, "\ud800" in space
        (True, False)
    """

    def __init__(self, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """False: a text has no fixed size."""
        return False

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> str:
        """Draws a text of 0 to 64 printable characters and newlines.

        Args:
            mask: Not supported; must be None.
            probability: Not supported; must be None.

        Raises:
            ValueError: If a mask or probabilities are given.
        """
        if mask is not None or probability is not None:
            raise ValueError("Text cannot be sampled with a mask or with probabilities")
        length = int(self.np_random.integers(_SAMPLED_LENGTH + 1))
        return "".join(self.np_random.choice(_SAMPLED, length))

    def contains(self, x: Any) -> bool:
        """Whether `x` is a text without lone surrogates."""
        if not isinstance(x, str):
            return False
        try:
            x.encode()
        except UnicodeEncodeError:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text)

    def __repr__(self) -> str:
        return "Text()"
