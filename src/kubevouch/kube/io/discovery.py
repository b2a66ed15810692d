"""What can lie in a namespace, of whatever kind: also of kinds that this product knows nothing of."""

from typing import Final

from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import Metadata, Narrow, Object, Resource


class OwnerReference(Narrow, frozen=True, kw_only=True):
    """An object with whose end this one ends."""

    uid: str = ""


class OwnedMetadata(Metadata, frozen=True, kw_only=True):
    """ObjectMeta with ownerReferences."""

    owner_references: tuple[OwnerReference, ...] = ()


class Inhabitant(Object, frozen=True, kw_only=True):
    """An object of any kind."""

    metadata: OwnedMetadata = OwnedMetadata()


class _Kind(Narrow, frozen=True, kw_only=True):
    name: str = ""
    namespaced: bool = False
    kind: str = ""
    verbs: tuple[str, ...] = ()


class _Kinds(Narrow, frozen=True, kw_only=True):
    resources: tuple[_Kind, ...] = ()


class _GroupVersion(Narrow, frozen=True, kw_only=True):
    version: str = ""


class _Group(Narrow, frozen=True, kw_only=True):
    name: str = ""
    versions: tuple[_GroupVersion, ...] = ()


class _Groups(Narrow, frozen=True, kw_only=True):
    groups: tuple[_Group, ...] = ()


_MEASUREMENTS: Final = {"metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"}
"""Groups in which nothing is stored. Their server may be the very one that does not answer."""


async def namespaced_kinds(api: ApiClient) -> tuple[Resource[Inhabitant], ...]:
    """Every kind whose objects lie in namespaces and can be listed, each in the first version of its group that has it.

    Measurements are left out: nothing is stored there.

    Raises:
        KubeError: some group could not be asked, such as one of an aggregated API whose server does not answer.
    """
    listed = (await api.read(_Groups, "GET", "/apis")).groups
    groups = [each for each in listed if each.name not in _MEASUREMENTS]
    core = _Group(versions=(_GroupVersion(version="v1"),))
    found: dict[tuple[str, str], Resource[Inhabitant]] = {}
    for group, version in ((g.name, v.version) for g in (core, *groups) for v in g.versions):
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        for each in (await api.read(_Kinds, "GET", path)).resources:
            if each.namespaced and "list" in each.verbs:
                kind = Resource(group, version, each.name, each.kind, Inhabitant, namespaced=True)
                found.setdefault((group, each.name), kind)
    return tuple(found.values())
