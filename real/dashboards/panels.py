"""Panels as all dashboards of ours have them: one data source, variables in each selector, few kinds."""

import json
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as of_all
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from real.dashboards.alerts import selected

Steps = tuple[tuple[float, str], ...]
"""From which value on what colour."""
ANY_IS_BAD: Final[Steps] = ((1, "red"),)
ANY_IS_ODD: Final[Steps] = ((1, "orange"),)
_SOURCE: Final = of_all.DataSourceRef(type_val="prometheus", uid="${datasource}")


def number(
    title: str,
    about: str,
    expression: str,
    *,
    unit: str = "short",
    bad: Steps = (),
    base: str = "green",
) -> stat.Panel:
    """One value, or one for each series. bad: from when on it is not `base`."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(_SOURCE)
        .unit(unit)
        .thresholds(_thresholds(base, bad))
        .graph_mode(of_all.BigValueGraphMode.NONE)
        .color_mode(of_all.BigValueColorMode.BACKGROUND if bad else of_all.BigValueColorMode.VALUE)
        .span(4)
        .height(4)
        .with_target(_query(expression, "").instant())
    )


def curves(
    title: str, about: str, *queries: tuple[str, str], unit: str = "short", stacked: bool = False
) -> timeseries.Panel:
    """Values over time. queries: each an expression and the legend of its series."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(_SOURCE)
        .unit(unit)
        .min(0)
        .span(12)
        .height(8)
        .legend(
            common.VizLegendOptions()
            .display_mode(of_all.LegendDisplayMode.LIST)
            .placement(of_all.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(of_all.TooltipDisplayMode.MULTI))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(of_all.StackingMode.NORMAL)).fill_opacity(30)
    for ref, (expression, legend) in zip("ABC", queries, strict=False):
        panel.with_target(_query(expression, legend, ref).range())
    return panel


def rows(
    title: str, about: str, expression: str, *columns: str, value: str = "", unit: str = "short",
    bad: Steps = (), base: str = "green", up: bool = True,
) -> table.Panel:  # fmt: skip
    """A line for each series. columns: its labels. value: the heading of its value, "" to leave that out. up: the least first."""
    shown = [*columns, *(["Value"] if value else [])]
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(_SOURCE)
        .span(12)
        .height(8)
        .with_target(_query(expression, "").instant().format(PromQueryFormat.TABLE))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="filterFieldsByName", options={"include": {"names": shown}}
            )
        )
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "indexByName": {name: place for place, name in enumerate(shown)},
                    "renameByName": {"Value": value},
                },
            )
        )
    )
    if value:
        properties = [
            models.DynamicConfigValue("unit", unit),
            models.DynamicConfigValue("thresholds", _thresholds(base, bad).build()),
            models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
        ]
        panel.override_by_name(value, properties)
        panel.sort_by([common.TableSortByFieldState().display_name(value).desc(not up)])
    return panel


def firing(alerts: str) -> table.Panel:
    """The alerts. alerts: the expression that has them."""
    about = "Firing and pending alerts. Each has a runbook in its annotations."
    return rows("Alerts", about, alerts, "alertstate", "severity", "alertname", "node", "reason")


def board(title: str, uid: str, about: str, jobs: str) -> dashboard.Dashboard:
    """An empty dashboard with its variables. jobs: the metrics by which its scrape jobs are found, as a regular expression."""
    everything = models.VariableOption(selected=True, text="All", value="$__all")

    def chosen(name: str, query: str) -> dashboard.QueryVariable:
        return (
            dashboard.QueryVariable(name)
            .datasource(_SOURCE)
            .query(query)
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".*")
            .current(everything)
        )

    metrics = f'{{__name__=~"{jobs}"'
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["kubevouch"])
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .with_variable(chosen("namespace", f"label_values({metrics}}}, namespace)"))
        .with_variable(chosen("job", f'label_values({metrics},namespace=~"$namespace"}}, job)'))
    )


def row(title: str) -> dashboard.Row:
    """What the panels after it have in common."""
    return dashboard.Row(title)


def written(made: dashboard.Dashboard) -> str:
    """The dashboard as a file: the same bytes each time."""
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _query(expression: str, legend: str, ref: str = "A") -> prometheus.Dataquery:
    query = prometheus.Dataquery().datasource(_SOURCE).expr(selected(expression))
    return query.legend_format(legend or "__auto").ref_id(ref)


def _thresholds(base: str, bad: Steps) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=base)]
    steps += [models.Threshold(value=value, color=color) for value, color in bad]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
