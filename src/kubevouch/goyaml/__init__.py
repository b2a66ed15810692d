"""YAML and JSON as Go's sigs.k8s.io/yaml reads them, within bounds. All YAML of the product is read here.

kubectl reads kubeconfigs and manifests with that library, and a kubelet its configuration. A file must mean the same
here: `yes` is a boolean, `1e3` a number, `12:30:45` and `2001-01-01` are texts, a later duplicate key wins, `<<`
merges where it stands, and only the first document counts. kubectl's answers are recorded in tests/kubeconfig, a
kubelet's in tests/kubelet.

- `read`: the value in a file; `compose`: nodes with their positions, for an edit, and whatever is odd about them
- `scalars`: what a single scalar means
- `written`: a value as YAML, for people to read

The text may be hostile. Nodes are built from parser events, so that depth, number of values and the values that
aliases multiply are counted before anything is built, and no tag constructs an object. Therefore no other file
imports `yaml`. This room does not know which file it reads or what the file should contain.
"""

from kubevouch.goyaml.reader import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    FaultKind,
    MappingEntry,
    Oddity,
    Position,
    UnreadableYaml,
    Value,
    YamlNode,
    compose,
    read,
)
from kubevouch.goyaml.scalars import Scalar
from kubevouch.goyaml.writer import written

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_VALUES",
    "FaultKind",
    "MappingEntry",
    "Oddity",
    "Position",
    "Scalar",
    "UnreadableYaml",
    "Value",
    "YamlNode",
    "compose",
    "read",
    "written",
]
