"""YAML and JSON as Go's sigs.k8s.io/yaml reads them, within bounds: the one door for text of that kind.

kubectl reads kubeconfigs and manifests with it, a kubelet its configuration, and a file must mean here what it means
to them: `yes` is a boolean, `1e3` a number, `12:30:45` and `2001-01-01` are texts, a later duplicate key wins, `<<`
merges in the order it stands, and only the first document counts. What kubectl answers is recorded in
tests/kubeconfig, what a kubelet does in tests/kubelet.

- `read`: the value in a file; `compose`: nodes that know their places, for an edit, and what is odd about them
- `scalars`: what a single word means

The text is hostile: nodes are built from parser events, so that depth, number of values and what aliases multiply are
counted before anything is built from them, and no tag constructs an object. So no other file imports `yaml`. Which
file it is and what it should hold is unknown here.
"""

from kubevouch.goyaml.reader import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    Entry,
    Fault,
    Node,
    Oddity,
    Place,
    Unreadable,
    Value,
    compose,
    read,
)
from kubevouch.goyaml.scalars import Scalar

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_VALUES",
    "Entry",
    "Fault",
    "Node",
    "Oddity",
    "Place",
    "Scalar",
    "Unreadable",
    "Value",
    "compose",
    "read",
]
