"""The verbs on every kind: what apiserver's generic registry does (pkg/registry/generic/registry/store.go).

Who asks has been told apart and let in before; server.py does that for HTTP, client.py for what runs in the process.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from kubevouch.clock import Clock
from kubevouch_lab.apiserver import deletion, status
from kubevouch_lab.apiserver.apply.ownership import applied_paths, apply_to
from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.deletion import Options
from kubevouch_lab.apiserver.kinds import EVENTS, NAMESPACES, Kind
from kubevouch_lab.apiserver.listing import ListPage, page, selected
from kubevouch_lab.apiserver.managed_fields import with_manager
from kubevouch_lab.apiserver.metadata import born, carried_over, clone
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.registry.table import STRATEGIES
from kubevouch_lab.apiserver.request import Admission, Query, RequestInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.apiserver.validation import metadata_causes
from kubevouch_lab.apiserver.watching import Stream, stream
from kubevouch_lab.objects import Object, Objects, name_of, namespace_of, uid_of
from kubevouch_lab.rng import Entropy

# kube-apiserver's --event-ttl.
_EVENT_LIFE = timedelta(hours=1)
_SWEEP_EVERY = timedelta(minutes=1)
_PLAIN = Strategy()
_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

Patch = Callable[[Object], Object]


class Resources:
    """Verbs over a store. Everything is synchronous: what a call has returned from is kept and told.

    What comes back may be shared with the store: read it, copy before changing.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        entropy: Entropy,
        admit: Admission,
        backends: Backends,
    ) -> None:
        self.store = store
        self._clock = clock
        self._entropy = entropy
        self._admit = admit
        self._strategies = {**STRATEGIES, **backends.strategies}
        self._swept = clock.now()

    def strategy(self, kind: Kind) -> Strategy:
        """The rules that are peculiar to a kind."""
        return self._strategies.get(kind.plural, _PLAIN)

    def get(self, info: RequestInfo) -> Object:
        """One object, or 404."""
        kind = _kind(info)
        thing = self.store.get(kind, info.name, _space(info, kind))
        if info.subresource:
            return self.strategy(kind).shown(info, thing)
        return thing

    def list(self, info: RequestInfo, query: Query) -> ListPage:
        """A page of a list; 400, 410, 422 and 504 as listing.py says."""
        kind = _kind(info)
        self._forget_old_events(kind)
        return page(self.store, kind, info.namespace, query)

    def watch(self, info: RequestInfo, query: Query) -> Stream:
        """A stream of events; close it."""
        kind = _kind(info)
        return stream(self.store, kind, info.namespace, query)

    def create(self, info: RequestInfo, body: Object) -> Object:
        """Keeps a new object, with name, uid and times; 404 for a namespace that is not there.

        Of a subresource (a Binding): changes its object, and gives a Status.
        """
        kind = _kind(info)
        if info.subresource:
            self._change(info, lambda _: body)
            return {**_SUCCESS, "code": 201}
        now = self._clock.now()
        new = born(kind, body, info.namespace, now, self._entropy)
        self._check_namespace(info, kind)
        new = clone(self._admit(info, None, new) or new)
        strategy = self.strategy(kind)
        with _legible(kind):
            new = strategy.create(kind, info, new, now)
            new = with_manager(kind, info, None, new, now)
            self._check(kind, strategy, None, new)
        if info.dry_run:
            if self.store.find(kind, name_of(new), namespace_of(new)):
                raise status.already_exists(kind.group, kind.plural, name_of(new))
            return new
        self._forget_old_events(kind)
        return self.store.create(kind, new)

    def update(self, info: RequestInfo, body: Object) -> Object:
        """Replaces an object. No PUT creates one here, also of the few kinds of which a real one does."""
        kind = _kind(info)
        version = (body.get("metadata") or {}).get("resourceVersion")
        if not version and not self.strategy(kind).unconditional_update:
            text = "Invalid value: 0: must be specified for an update"
            cause = ("FieldValueInvalid", "metadata.resourceVersion", text)
            raise status.invalid(kind.group, kind.kind, info.name, [cause])
        return self._change(info, lambda _: body)

    def patch(self, info: RequestInfo, patch: Patch) -> Object:
        """Keeps what the patch makes of the object as it is now."""
        return self._change(info, patch)

    def apply(self, info: RequestInfo, body: Object, *, force: bool) -> tuple[Object, bool]:
        """Server-side apply; True beside the object if that created it. 409 for what another manager owns."""
        kind = _kind(info)
        info = replace(info, applied=body)
        if self.is_new(info):
            applied_paths(kind, body)
            return self.create(replace(info, verb="create"), body), True

        def change(live: Object) -> Object:
            return apply_to(kind, live, body, info, force=force)

        return self._change(info, change), False

    def is_new(self, info: RequestInfo) -> bool:
        """Whether an apply would create the object."""
        kind = _kind(info)
        missing = self.store.find(kind, info.name, _space(info, kind)) is None
        return missing and not info.subresource

    def delete(self, info: RequestInfo, options: Options) -> Object:
        """Takes an object out; a Status or the object, as the real one answers."""
        kind = _kind(info)
        strategy = self.strategy(kind)
        old = self.store.get(kind, info.name, _space(info, kind))
        options.check(kind, old)
        self._may_delete(kind, old)
        self._admit(info, old, None)
        last = old if info.dry_run else deletion.delete(self.store, kind, old)
        return last if strategy.returns_deleted else _deleted(kind, last)

    def delete_collection(self, info: RequestInfo, query: Query) -> Objects:
        """Takes out what the selectors select; what it took out."""
        kind = _kind(info)
        chosen = list(filter(selected(kind, query), self.store.list(kind, info.namespace)))
        for each in chosen:
            self._admit(info, each, None)
            if not info.dry_run:
                deletion.delete(self.store, kind, each)
        return chosen

    def _change(self, info: RequestInfo, change: Patch) -> Object:
        kind = _kind(info)
        strategy = self.strategy(kind)
        old = self.store.get(kind, info.name, _space(info, kind))
        wanted = change(strategy.shown(info, old) if info.subresource else old)
        if not isinstance(wanted, dict):
            raise status.bad_request("the body of the request is not an object")
        new = carried_over(kind, old, strategy.taken(info, old, wanted))
        new = clone(self._admit(info, old, new) or new)
        with _legible(kind):
            now = self._clock.now()
            new = strategy.update(kind, info, old, new, now)
            new = with_manager(kind, info, old, new, now)
            self._check(kind, strategy, old, new)
        if not info.dry_run:
            new = self.store.update(kind, new)
        return strategy.shown(info, new) if info.subresource else new

    def _check(self, kind: Kind, strategy: Strategy, old: Object | None, new: Object) -> None:
        causes = [*metadata_causes(kind, new), *strategy.causes(kind, old, new)]
        if causes:
            raise status.invalid(kind.group, kind.kind, name_of(new), causes)

    def _check_namespace(self, info: RequestInfo, kind: Kind) -> None:
        """Admission plugin NamespaceLifecycle."""
        if not kind.namespaced:
            return
        if not info.namespace:
            raise status.bad_request("an empty namespace may not be set during creation")
        self.store.get(NAMESPACES, info.namespace)

    def _may_delete(self, kind: Kind, old: Object) -> None:
        name = name_of(old)
        if kind is NAMESPACES and name in {"default", "kube-system", "kube-public"}:
            raise status.forbidden("", "namespaces", name, "this namespace may not be deleted")

    def _forget_old_events(self, kind: Kind) -> None:
        now = self._clock.now()
        if kind is not EVENTS or now - self._swept < _SWEEP_EVERY:
            return
        self._swept = now
        oldest = f"{now - _EVENT_LIFE:%Y-%m-%dT%H:%M:%SZ}"
        for event in self.store.list(EVENTS):
            metadata = event["metadata"]
            if metadata["creationTimestamp"] < oldest:
                self.store.delete(EVENTS, metadata["name"], metadata["namespace"])


@contextlib.contextmanager
def _legible(kind: Kind) -> Iterator[None]:
    """Where a body's fields are of other types than the rules of its kind expect: 400, as from Go's decoder."""
    try:
        yield
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        message = (
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error!r}'
        )
        raise status.bad_request(message) from error


def _kind(info: RequestInfo) -> Kind:
    kind = info.kind
    if kind is None or not kind.stored:
        raise status.not_found(info.group, info.resource, info.name)
    return kind


def _space(info: RequestInfo, kind: Kind) -> str:
    return info.namespace if kind.namespaced else ""


def _deleted(kind: Kind, last: Object) -> Object:
    details: Mapping[str, str] = {
        "name": name_of(last),
        "group": kind.group,
        "kind": kind.plural,
        "uid": uid_of(last),
    }
    return {
        **_SUCCESS,
        "details": {key: value for key, value in details.items() if value},
    }
