"""Who owns what: controllers find their children by the owner's uid."""

from collections.abc import Iterable

from kubevouch_lab.objects import Object, name_of, uid_of


def owner_reference(owner: Object) -> Object:
    """To be put into what a controller makes for `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(things: Iterable[Object], owner: Object) -> list[Object]:
    """Those whose controller is `owner`."""
    uid = uid_of(owner)
    return [each for each in things if controller_uid(each) == uid]


def controller_uid(thing: Object) -> str:
    """The uid of the controller that owns it; empty if none does."""
    for each in thing["metadata"].get("ownerReferences") or ():
        if each.get("controller"):
            return str(each.get("uid", ""))
    return ""
