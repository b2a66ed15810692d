"""Server-side apply: who owns which field of an object, and what an applied configuration makes of it.

sigs.k8s.io/structured-merge-diff (typed, merge, fieldpath) and apimachinery's pkg/util/managedfields.
- `shapes`: how a value of each type is merged; `fields`: the fields of a value, as paths
- `merging`: a configuration into an object, and out of it what is no longer applied
- `ownership`: the entries of metadata.managedFields, and conflicts
"""
