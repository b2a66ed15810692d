"""Writes the dashboards into the charts."""

from real.dashboards import DASHBOARDS, text_of

for path in DASHBOARDS:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text_of(path), "utf-8")
