"""The ledger: every model call with its tokens, dollars and outcome, in SQLite, and a limit that is a limit.

A call reserves the most that it can cost before it is sent, and settles what it did cost afterwards. So calls in
flight cannot pass the limit together, and a crash leaves a reservation that shows which call was never settled.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel, ConfigDict

from mlgym_synth.errors import MlgymSynthError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
  id INTEGER PRIMARY KEY,
  started REAL NOT NULL,
  purpose TEXT NOT NULL,
  model TEXT NOT NULL,
  reserved REAL NOT NULL,
  dollars REAL,
  prompt_tokens INTEGER,
  completion_tokens INTEGER,
  seconds REAL,
  outcome TEXT NOT NULL DEFAULT 'in flight',
  response_id TEXT
)
"""


class BudgetError(MlgymSynthError):
    """The next call could cost more than is left."""


class Price(BaseModel):
    """Dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: float = 0.0
    completion: float = 0.0

    def dollars(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of a call."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


class PurposeCost(BaseModel):
    """What one purpose has cost so far."""

    purpose: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float


class Ledger:
    """The ledger of one run.

    Args:
        path: SQLite file; made if missing.
        max_cost: Dollars that all calls of the file may cost together; no limit if None.
    """

    def __init__(self, path: Path, max_cost: float | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.max_cost = max_cost
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(_SCHEMA)

    def reserve(self, purpose: str, model: str, dollars: float) -> int:
        """Writes down that a call is about to be made.

        Args:
            purpose: The stage that pays.
            model: Name of the model.
            dollars: The most that the call can cost.

        Returns:
            The call's number, for `settle`.

        Raises:
            BudgetError: If the limit could be passed.
        """
        with self._lock:
            spent = self._committed()
            if self.max_cost is not None and spent + dollars > self.max_cost:
                raise BudgetError(
                    f"a call for {purpose} could cost ${dollars:.4f}, but ${self.max_cost - spent:.4f} is left",
                    "raise the limit on cost",
                )
            row = self._database.execute(
                "INSERT INTO calls (started, purpose, model, reserved) VALUES (?, ?, ?, ?)",
                (time.time(), purpose, model, dollars),
            )
            assert row.lastrowid is not None
            return row.lastrowid

    def settle(
        self,
        call: int,
        *,
        dollars: float,
        prompt_tokens: int,
        completion_tokens: int,
        seconds: float,
        outcome: str,
        response_id: str = "",
    ) -> None:
        """Replaces a reservation by what the call did cost."""
        with self._lock:
            self._database.execute(
                "UPDATE calls SET dollars = ?, prompt_tokens = ?, completion_tokens = ?, seconds = ?, outcome = ?,"
                " response_id = ? WHERE id = ?",
                (dollars, prompt_tokens, completion_tokens, seconds, outcome, response_id, call),
            )

    def spent(self) -> float:
        """Dollars spent or reserved. An unsettled reservation counts in full: the call may have been answered."""
        with self._lock:
            return self._committed()

    def by_purpose(self) -> list[PurposeCost]:
        """Calls, tokens and dollars by purpose."""
        with self._lock:
            rows = self._database.execute(
                "SELECT purpose, COUNT(*), SUM(COALESCE(prompt_tokens, 0)), SUM(COALESCE(completion_tokens, 0)),"
                " SUM(COALESCE(dollars, reserved)) FROM calls GROUP BY purpose ORDER BY purpose"
            ).fetchall()
        return [
            PurposeCost(purpose=p, calls=n, prompt_tokens=i, completion_tokens=o, dollars=d) for p, n, i, o, d in rows
        ]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _committed(self) -> float:
        (total,) = self._database.execute("SELECT COALESCE(SUM(COALESCE(dollars, reserved)), 0) FROM calls").fetchone()
        return float(total)
