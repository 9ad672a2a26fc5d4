"""The table of behaviours and providers at the end of a run of the conformance suite."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

SUITE = "test_sandbox_conformance.py"
BEHAVIOUR, PROVIDER = "behaviour", "provider"
PASSED, FAILED, SKIPPED, NOT_PROMISED = "yes", "NO", "not tried", "-"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance-table", metavar="FILE", help="write the table of the sandboxes' conformance here")


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and item.path.name == SUITE:
        name = (item.originalname or item.name).removeprefix("test_").replace("_", " ")
        callspec = getattr(item, "callspec", None)
        item.user_properties.append((BEHAVIOUR, name))
        item.user_properties.append((PROVIDER, callspec.params.get(PROVIDER, "all") if callspec else "all"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table, reasons = collect(terminalreporter)
    if not table:
        return
    names = sorted({provider for row in table.values() for provider in row} - {"all"})
    terminalreporter.section("conformance of sandboxes")
    width = max(map(len, table))
    terminalreporter.line(f"{'':{width}}  {'  '.join(f'{name:>10}' for name in names)}")
    for behaviour, row in table.items():
        terminalreporter.line(f"{behaviour:{width}}  {'  '.join(f'{cell(row, name):>10}' for name in names)}")
    terminalreporter.line(f"{len(table)} behaviours")
    for reason in reasons:
        terminalreporter.line(f"{SKIPPED}: {reason}")
    target = config.getoption("--conformance-table", default=None)
    if target:
        lines = ["| behaviour | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
        lines += [f"| {name} | {' | '.join(cell(row, each) for each in names)} |" for name, row in table.items()]
        notes = [f"- {SKIPPED}: {reason}" for reason in reasons]
        Path(target).write_text("\n".join(["# What every sandbox keeps", "", *lines, "", *notes]).rstrip() + "\n")


def collect(reporter: pytest.TerminalReporter) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Reads the reports, those of other processes among them: the worst result by behaviour and provider."""
    worst = {PASSED: 0, SKIPPED: 1, FAILED: 2}
    table: dict[str, dict[str, str]] = defaultdict(dict)
    reasons: dict[str, None] = {}
    places: dict[str, str] = {}
    for outcome, reports in reporter.stats.items():
        result = {"passed": PASSED, "skipped": SKIPPED, "failed": FAILED, "error": FAILED}.get(outcome)
        for report in reports if result else ():
            properties = dict(report.user_properties)
            if BEHAVIOUR not in properties:
                continue
            if result == SKIPPED:
                reasons[str(report.longrepr[2]).removeprefix("Skipped: ")] = None
            row = table[properties[BEHAVIOUR]]
            places[properties[BEHAVIOUR]] = f"{report.location[1]:06}"
            known = row.get(properties[PROVIDER], PASSED)
            row[properties[PROVIDER]] = max(known, result, key=worst.__getitem__)
    return {name: table[name] for name in sorted(table, key=places.__getitem__)}, list(reasons)


def cell(row: dict[str, str], provider: str) -> str:
    return row.get(provider, row.get("all", NOT_PROMISED))
