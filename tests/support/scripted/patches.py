"""The two patch forms that the scripted API server takes: the lab's own."""

from kubevouch_lab.apiserver.patches import json_patched, merge_patched

__all__ = ["json_patched", "merge_patched"]
