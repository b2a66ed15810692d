"""Figures that a test tells whoever runs it, also if it passes: the last thing that pytest prints."""

import pytest

TOLD = "told"
"""The name under which a test hands a line to pytest's `record_property`."""


def print_what_was_told(reporter: pytest.TerminalReporter) -> None:
    """One line each, in the tests' order."""
    reports = [each for kind in ("passed", "failed") for each in reporter.getreports(kind)]
    lines = [
        str(text)
        for report in sorted(reports, key=lambda each: str(each.nodeid))
        for name, text in report.user_properties
        if name == TOLD
    ]
    if lines:
        reporter.section("told by tests")
        for line in lines:
            reporter.line(line)
