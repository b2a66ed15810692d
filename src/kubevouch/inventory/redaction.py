"""Names and addresses replaced by others that say nothing, the same one by the same wherever it stands."""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from kubevouch.evidence.certificates import FoundCertificates
from kubevouch.evidence.measured import Vantage
from kubevouch.x509 import Certificate
from kubevouch.x509.kinds import NODE_PREFIX

_KEPT_ADDRESSES: Final = frozenset({"127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104 - a text
_KEPT_NAMES: Final = re.compile(
    r"localhost|kubernetes(\.default(\.svc(\.cluster\.local)?)?)?|[a-z0-9.-]+\.k8s\.io|"
    r"(etcd|front-proxy)-ca|kube-[a-z-]+|front-proxy-client|kubernetes-(super-)?admin|kubeadm:cluster-admins"
)
"""Names that every cluster has."""
_ADDRESS: Final = re.compile(
    r"(?<![\w.:-])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]*[0-9a-fA-F:])"
)
_HOST: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?")
_PIECE: Final = re.compile(r"[a-zA-Z0-9]+")
_LONGEST_NAME: Final = 253
"""Characters of a name in DNS (RFC 1035)."""
_KIND: Final = (
    r"(?:secret|csr|apiservice|(?:validat|mutat)ingwebhookconfiguration|customresourcedefinition) "
)
_NAME: Final = r"(?P<name>[^\s,()\"\\]*[^\s,()\"\\.:;])"
_OBJECT: Final = re.compile(rf"(?P<before>(?:^|\(|\bwhat ){_KIND}|\busers\[\\?\"){_NAME}")
"""Where an inventory names an object, or a kubeconfig's user. It may be an ordinary word, so it is replaced there only."""
_IN_A_SENTENCE: Final = re.compile(rf"(?P<before>\b{_KIND}){_NAME}")
"""Where a sentence may name an object that the inventory has named already."""
_SERVICE: Final = re.compile(
    r"(?P<before>\bService )(?P<name>[^\s,()\"\\/]+/[^\s,()\"\\]*[^\s,()\"\\.:;])"
)
"""Behind an aggregated API or a webhook."""
_NAME_OF_SERVICE: Final = re.compile(
    r"(?<![\w.-])[a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9-]*\.svc(?:\.[a-z0-9.-]*[a-z0-9])?(?![\w-])"
)
"""The same as the name by which the API server verifies it: no certificate need have it."""
_ATTRIBUTE: Final = re.compile(
    r"(?P<before>\b(?:CN|OU?|L|ST|C|STREET|POSTALCODE|SERIALNUMBER|\d+(?:\.\d+){2,})=)(?P<name>(?:[^,+\"\\]|\\.)+)"
)
"""What stands in a distinguished name, as Go writes it: a person, a company, a place. A word like any other, so it is
replaced there only. Of an attribute that Go has no word for, the number stands there."""
_AUTHORITY: Final = re.compile(r"(?P<before>authority certificate \\?\")(?P<name>[^,+\"\\]+)")
"""The same in Go's errors."""
_OF_A_KUBECONFIG: Final = re.compile(
    r"(?P<before>\bthere is no (?:user|context|cluster) \\?\")(?P<name>(?:[^\"\\]|\\[^\"])+)"
)
"""What a kubeconfig on a disk names: a person, or a customer's cluster."""
_PATH: Final = re.compile(r"(?<![\w.:/-])/[^\s/,:;\"']+(?:/[^\s/,:;\"']+)+")
_KEPT_FOLDERS: Final = ("/etc/kubernetes/", "/var/lib/kubelet/", "/etc/default/", "/etc/sysconfig/")
"""Where every node has its files."""
_REPLACED_OBJECT: Final = re.compile(r"object-\d+")
_COMMON_NAME: Final = "2.5.4.3"
_SELF_SIGNED: Final = re.compile(r"(?P<host>.+?)(-ca)?@\d+")


class Replaced(StrEnum):
    """What a name is of. Its value begins the name that comes in its place."""

    NODE = "node"
    HOST = "host"
    ADDRESS = "address"
    CLUSTER = "cluster"
    FILE = "file"
    OBJECT = "object"
    DOMAIN = "domain"


class Redaction:
    """Replaces what it knows, and every address. Applied to its own result, it changes nothing more."""

    def __init__(
        self,
        names: Iterable[tuple[Replaced, str]],
        folders: Iterable[str] = (),
        paths: Iterable[str] = (),
    ) -> None:
        """names: in their order; a node's host part stands for the node as well, its domain for itself.

        folders: in which disks lie. Each is replaced where a path begins with it, as a whole and before all else.
        paths: of files on nodes; each is replaced where it stands whole.
        """
        self._instead: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._objects: dict[str, str] = {}
        self._counts: dict[Replaced, int] = {}
        self._made: set[str] = set()
        # Most texts of an inventory are those of many rows.
        self._remembered = lru_cache(maxsize=1000)(self._replaced)
        listed = [(kind, name.lower()) for kind, name in names if name]
        self._taken = {part for _, name in listed for part in (name, name.partition(".")[0])}
        for kind, name in listed:
            self._add(kind, name)
        self._folders = {each: self._folder(each) for each in folders if each.strip("/.")}
        self._paths = {each: self._new(Replaced.FILE) for each in paths}
        longest = sorted(self._folders, key=len, reverse=True)
        begins = "|".join(map(re.escape, longest))
        self._of_folder = re.compile(rf"(?<![\w./-])(?:{begins})(?![\w.-])") if begins else None
        # Names of hosts may be 5,000, and are looked up; the few of another form are searched for.
        odd = sorted(
            (each for each in self._instead if not _HOST.fullmatch(each)), key=len, reverse=True
        )
        known = "|".join(map(re.escape, odd))
        self._odd = re.compile(rf"(?<![a-zA-Z0-9])(?:{known})(?![a-zA-Z0-9])", re.IGNORECASE)
        self._has_odd = bool(odd)
        # Whoever serves a certificate chooses the names in it: one longer than DNS allows is looked for as a whole only.
        of_dns = (each for each in self._instead if len(each) <= _LONGEST_NAME)
        self._most_pieces = max((len(_PIECE.findall(each)) for each in of_dns), default=1)
        self._first_pieces = {
            found[0] for each in self._instead if (found := _PIECE.search(each)) is not None
        }

    @classmethod
    def of(
        cls,
        found: FoundCertificates,
        more: Iterable[tuple[Replaced, str]] = (),
        folders: Iterable[str] = (),
    ) -> "Redaction":
        """What an inventory names. Addresses are counted in the order of the nodes, whatever form is made of it."""
        own = dict.fromkeys(_own_paths(found))
        folders = [*folders, *(f"{root}{path}" for root, path in own if root)]
        made = cls([*names_of(found), *more], folders, dict.fromkeys(path for _, path in own))
        for each in sorted(found.found, key=lambda each: (each.node, each.where)):
            made(each.where)
        return made

    def _add(self, kind: Replaced, name: str) -> None:
        if name in self._instead or is_address(name):
            return
        made = self._new(kind)
        self._instead[name] = made
        host, _, domain = name.partition(".")
        if kind is Replaced.NODE and domain:
            self._instead.setdefault(host, made)
            if "." in domain and domain not in self._instead:
                self._instead[domain] = self._new(Replaced.DOMAIN)

    def _folder(self, path: str) -> str:
        """A disk whose node nobody knows is called by its folder."""
        return self._instead.get(path.lower()) or self._new(Replaced.FILE)

    def _new(self, kind: Replaced) -> str:
        while True:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            made = f"{kind}-{self._counts[kind]}"
            if made not in self._taken:
                self._made.add(made)
                return made

    def __call__(self, text: str) -> str:
        """The text without them."""
        return self._remembered(text)

    def _replaced(self, text: str) -> str:
        if self._of_folder is not None:
            text = self._of_folder.sub(lambda found: self._folders[found[0]], text)
        if self._paths:
            text = _PATH.sub(lambda found: self._paths.get(found[0], found[0]), text)
        if text.isascii() and text.isalnum():
            # A fingerprint, a serial number, a word: of each row there are several.
            return self._host(text)
        for named in (_OBJECT, _SERVICE):
            text = named.sub(lambda found: found["before"] + self._object(found["name"]), text)
        text = _IN_A_SENTENCE.sub(
            lambda found: found["before"] + self._objects.get(found["name"], found["name"]), text
        )
        text = _NAME_OF_SERVICE.sub(lambda found: self._common(found[0]), text)
        for named in (_ATTRIBUTE, _AUTHORITY, _OF_A_KUBECONFIG):
            text = named.sub(lambda found: found["before"] + self._common(found["name"]), text)
        text = _ADDRESS.sub(lambda found: self._address(found[0]), text)
        if self._has_odd:
            text = self._odd.sub(lambda found: self._instead[found[0].lower()], text)
        return _HOST.sub(lambda found: self._host(found[0]), text) if self._instead else text

    def _host(self, text: str) -> str:
        """The longest known names in a run of letters, digits, dots and hyphens, each a whole number of its pieces."""
        if (whole := self._instead.get(text.lower())) is not None:
            return whole
        found = _PIECE.findall(text.lower())
        if self._first_pieces.isdisjoint(found):
            return text
        pieces = [(found.start(), found.end()) for found in _PIECE.finditer(text)]
        made, done, first = [], 0, 0
        while first < len(pieces):
            begin, end = pieces[first]
            if text[begin:end].lower() not in self._first_pieces:
                first += 1
                continue
            for last in range(min(len(pieces), first + self._most_pieces) - 1, first - 1, -1):
                name = text[begin : pieces[last][1]].lower()
                if name in self._instead:
                    made += [text[done:begin], self._instead[name]]
                    done, first = pieces[last][1], last
                    break
            first += 1
        return "".join([*made, text[done:]])

    def _common(self, name: str) -> str:
        is_known = name.lower() in self._instead or name in self._made or is_address(name)
        is_host = name.startswith("system:") or _SELF_SIGNED.fullmatch(name)
        return name if is_known or is_host else self._object(name)

    def _object(self, name: str) -> str:
        if _KEPT_NAMES.fullmatch(name) or _REPLACED_OBJECT.fullmatch(name):
            return name
        if name not in self._objects:
            self._objects[name] = self._new(Replaced.OBJECT)
        return self._objects[name]

    def _address(self, text: str) -> str:
        # A full stop behind an address belongs to the sentence.
        bare = text.rstrip(".")
        if (known := self._addresses.get(bare)) is not None:
            return known + text[len(bare) :]
        if not is_address(bare) or bare in _KEPT_ADDRESSES:
            return text
        key = str(ip_address(bare))
        if key not in self._addresses:
            self._addresses[key] = self._new(Replaced.ADDRESS)
        self._addresses[bare] = self._addresses[key]
        return self._addresses[key] + text[len(bare) :]


def is_address(text: str) -> bool:
    """Whether the text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _own_paths(found: FoundCertificates) -> Iterable[tuple[str, str]]:
    """Paths on the disks of nodes that neither kubeadm nor the kubelet has chosen, each with the folder in which the disk lies here.

    They may name a person or a customer.
    """
    for each in found.found:
        if each.vantage is Vantage.NODE_DISK:
            for text in (each.where.removeprefix(each.root), each.fault.replace(each.root, "")):
                yield from ((each.root, path) for path in _chosen_in(text))
    roots = {each.root for each in found.found if each.root}
    for missed in found.not_read:
        what = missed.what
        for root in roots:
            what = what.replace(root, "")
        for path in (*_chosen_in(what), *_chosen_in(missed.doubt.text)):
            yield from ((root, path) for root in roots or ("",))


def _chosen_in(text: str) -> Iterable[str]:
    return (path for path in _PATH.findall(text) if not path.startswith(_KEPT_FOLDERS))


def names_of(found: FoundCertificates) -> Iterable[tuple[Replaced, str]]:
    """The nodes first, in the order of their names; then the names inside of certificates."""
    nodes = {each.node for each in found.found} | {each.node for each in found.not_read}
    yield from ((Replaced.NODE, name) for name in sorted(nodes))
    yield from hosts_of(one for each in found.found for one in each.chain)


def hosts_of(certificates: Iterable[Certificate]) -> Iterable[tuple[Replaced, str]]:
    """The names inside of certificates, in their order, without those that every cluster has."""
    hosts = {name for each in certificates for name in _hosts(each)}
    yield from ((Replaced.HOST, name) for name in sorted(hosts))


def _hosts(certificate: Certificate) -> Iterable[str]:
    common = {
        name
        for each in (certificate.subject, certificate.issuer)
        for text in each.values(_COMMON_NAME)
        if (name := _host_of(text))
    }
    for name in (*certificate.dns_names, *common):
        if name and not _KEPT_NAMES.fullmatch(name):
            yield name


def _host_of(common_name: str) -> str:
    """The host that a CN names, as that of a kubelet does; empty if it names no host."""
    if common_name.startswith(NODE_PREFIX):
        return common_name.removeprefix(NODE_PREFIX)
    if found := _SELF_SIGNED.fullmatch(common_name):
        return found["host"]
    return common_name if "." in common_name else ""
