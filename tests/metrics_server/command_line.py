"""What a command line of the metrics server means."""

from dataclasses import fields

import click

from kubevouch.cli.metrics_server.command import run
from kubevouch.cli.metrics_server.flags import MetricsServerFlags
from kubevouch.cli.metrics_server.settings import MetricsServerSettings, settings_of


def context_of(*words: str) -> click.Context:
    return run.make_context("run", list(words))


def settings(*words: str) -> MetricsServerSettings:
    with context_of(*words) as context:
        known = {each.name: context.params[each.name] for each in fields(MetricsServerFlags)}
        return settings_of(MetricsServerFlags(**known))
