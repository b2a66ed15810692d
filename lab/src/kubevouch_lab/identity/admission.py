"""Everything that is asked before a write is kept, in order."""

from kubevouch_lab.apiserver.request import Admission, RequestInfo
from kubevouch_lab.objects import Object


class Admissions:
    """Several admission plugins as one: each is handed what the one before it made of the object."""

    def __init__(self, *plugins: Admission) -> None:
        self._plugins = plugins

    def __call__(self, info: RequestInfo, old: Object | None, new: Object | None) -> Object | None:
        """The object to keep, or the first refusal."""
        for plugin in self._plugins:
            new = plugin(info, old, new)
        return new
