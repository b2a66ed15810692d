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
from kubevouch_lab.apiserver.bodies import PATCHES
from kubevouch_lab.apiserver.deletion import Options
from kubevouch_lab.apiserver.forms import Form, form_of
from kubevouch_lab.apiserver.kinds import EVENTS, NAMESPACES, Kind
from kubevouch_lab.apiserver.listing import ListPage, page, selected
from kubevouch_lab.apiserver.managed_fields import with_manager
from kubevouch_lab.apiserver.metadata import Entropy, born, carried_over, clone
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.registry.table import STRATEGIES
from kubevouch_lab.apiserver.request import Admission, Query, RequestInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.apiserver.validation import metadata_causes
from kubevouch_lab.apiserver.watching import Stream, stream
from kubevouch_lab.objects import Object, Objects, name_of, namespace_of, uid_of

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
        form = _form(info)
        thing = self.store.get(form.base, info.name, _space(info, form.base))
        if info.subresource:
            return self.strategy(form.base).shown(info, thing)
        return form.outward(thing)

    def list(self, info: RequestInfo, query: Query) -> ListPage:
        """A page of a list; 400, 410, 422 and 504 as listing.py says."""
        form = _form(info)
        self._forget_old_events(form.base)
        return page(self.store, form, info.namespace, query)

    def watch(self, info: RequestInfo, query: Query) -> Stream:
        """A stream of events; close it."""
        form = _form(info)
        return stream(self.store, form, info.namespace, query)

    def create(self, info: RequestInfo, body: Object) -> Object:
        """Keeps a new object, with name, uid and times; 404 for a namespace that is not there.

        Of a subresource (a Binding): changes its object, and gives a Status.
        """
        form = _form(info)
        if info.subresource:
            self._change(info, lambda _: body)
            return {**_SUCCESS, "code": 201}
        now = self._clock.now()
        new = born(form.base, form.inward(body), info.namespace, now, self._entropy)
        self._check_namespace(info, form.base)
        new = clone(self._admit(info, None, new) or new)
        strategy = self.strategy(form.base)
        with _legible(form.base):
            new = strategy.create(form.base, info, new, now)
            new = with_manager(form.base, info, None, new, now)
            self._check(form.base, strategy, None, new)
        if info.dry_run:
            if self.store.find(form.base, name_of(new), namespace_of(new)):
                raise status.already_exists(form.base.group, form.base.plural, name_of(new))
            return form.outward(new)
        self._forget_old_events(form.base)
        return form.outward(self.store.create(form.base, new))

    def update(self, info: RequestInfo, body: Object) -> Object:
        """Replaces an object. No PUT creates one here, also of the few kinds of which a real one does."""
        base = _form(info).base
        version = (body.get("metadata") or {}).get("resourceVersion")
        if not version and not self.strategy(base).unconditional_update:
            text = "Invalid value: 0: must be specified for an update"
            cause = ("FieldValueInvalid", "metadata.resourceVersion", text)
            raise status.invalid(base.group, base.kind, info.name, [cause])
        return self._change(info, lambda _: body)

    def patch(self, info: RequestInfo, patch: Patch) -> Object:
        """Keeps what the patch makes of the object as it is now."""
        return self._change(info, patch)

    def apply(self, info: RequestInfo, body: Object, *, force: bool) -> tuple[Object, bool]:
        """Server-side apply; True beside the object if that created it. 409 for what another manager owns."""
        form = _form(info)
        if form.kind is not form.base:
            raise status.unsupported_media_type(list(PATCHES))
        info = replace(info, applied=body)
        if self.is_new(info):
            applied_paths(form.base, body)
            return self.create(replace(info, verb="create"), body), True

        def change(live: Object) -> Object:
            return apply_to(form.base, live, body, info, force=force)

        return self._change(info, change), False

    def is_new(self, info: RequestInfo) -> bool:
        """Whether an apply would create the object."""
        base = _form(info).base
        missing = self.store.find(base, info.name, _space(info, base)) is None
        return missing and not info.subresource

    def delete(self, info: RequestInfo, options: Options) -> Object:
        """Takes an object out; a Status or the object, as the real one answers."""
        form = _form(info)
        strategy = self.strategy(form.base)
        old = self.store.get(form.base, info.name, _space(info, form.base))
        options.check(form.base, old)
        self._may_delete(form.base, old)
        self._admit(info, old, None)
        last = old if info.dry_run else deletion.delete(self.store, form.base, old)
        return form.outward(last) if strategy.returns_deleted else _deleted(form.kind, last)

    def delete_collection(self, info: RequestInfo, query: Query) -> Objects:
        """Takes out what the selectors select; what it took out."""
        form = _form(info)
        matches = selected(form.kind, query)
        chosen = [
            each
            for each in self.store.list(form.base, info.namespace)
            if matches(form.outward(each))
        ]
        for each in chosen:
            self._admit(info, each, None)
            if not info.dry_run:
                deletion.delete(self.store, form.base, each)
        return [form.outward(each) for each in chosen]

    def _change(self, info: RequestInfo, change: Patch) -> Object:
        form = _form(info)
        strategy = self.strategy(form.base)
        old = self.store.get(form.base, info.name, _space(info, form.base))
        wanted = change(form.outward(old) if not info.subresource else strategy.shown(info, old))
        if not isinstance(wanted, dict):
            raise status.bad_request("the body of the request is not an object")
        new = carried_over(form.base, old, strategy.taken(info, old, form.inward(wanted)))
        new = clone(self._admit(info, old, new) or new)
        with _legible(form.base):
            now = self._clock.now()
            new = strategy.update(form.base, info, old, new, now)
            new = with_manager(form.base, info, old, new, now)
            self._check(form.base, strategy, old, new)
        if not info.dry_run:
            new = self.store.update(form.base, new)
        return strategy.shown(info, new) if info.subresource else form.outward(new)

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


def _form(info: RequestInfo) -> Form:
    """The kind that is asked for, over the one that is kept."""
    kind = info.kind
    if kind is None or not kind.stored:
        raise status.not_found(info.group, info.resource, info.name)
    return form_of(kind)


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
