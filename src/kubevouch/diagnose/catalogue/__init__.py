"""The catalogue, which declares each finding once, in a file for each range of codes.

To add a finding, add it to its file here and write one rule.
"""

from kubevouch.diagnose.catalogue import (
    configuration,
    control_plane,
    csrs,
    doubts,
    kubelet_ports,
    metrics_api,
)
from kubevouch.diagnose.catalogue.codes import Code, Section
from kubevouch.diagnose.catalogue.definition import CountsIn, FindingDefinition, Severity

CATALOGUE: dict[str, FindingDefinition] = {
    each.code: each
    for definitions in (
        metrics_api.DEFINITIONS,
        kubelet_ports.DEFINITIONS,
        csrs.DEFINITIONS,
        configuration.DEFINITIONS,
        control_plane.DEFINITIONS,
        doubts.DEFINITIONS,
    )
    for each in definitions
}
"""The definitions by code, in order."""

__all__ = ["CATALOGUE", "Code", "CountsIn", "FindingDefinition", "Section", "Severity"]
