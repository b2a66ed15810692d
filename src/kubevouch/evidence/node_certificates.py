"""The certificates on a node's disk: what each is for, and what is wrong with it.

`node_files` lists the files to read. The choice of certificates, their CAs and "externally managed" follow
kubeadm's rules (cmd/kubeadm/app/phases/certs/renewal/manager.go). Unlike kubeadm, we continue after
an unreadable file.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundPart,
    NotRead,
    authority_of,
    signature_failure,
)
from kubevouch.evidence.measured import Doubt, DoubtKind, Vantage
from kubevouch.evidence.node_files import (
    API_SERVER_MANIFEST,
    AUTHORITIES,
    CONFS,
    ETCD_MANIFEST,
    KUBELET_CONF,
    LEAVES,
    NodeFile,
    NodeFiles,
    kubelet_client_file,
)
from kubevouch.x509 import Certificate

_OF_ETCD = frozenset(
    {
        CertificateUse.ETCD_SERVER,
        CertificateUse.ETCD_PEER,
        CertificateUse.ETCD_HEALTHCHECK_CLIENT,
    }
)
_ONLY_WITH_ETCD = _OF_ETCD | {CertificateUse.API_SERVER_ETCD_CLIENT, CertificateUse.ETCD_CA}


def certificates_of_node(files: NodeFiles, at: datetime, *, node: str, root: str = "") -> FoundPart:
    """The certificates in a node's files, and the certificates that could not be read.

    root: the local folder that holds the node's file system.
    """
    return _Reading(files, at, node, root.rstrip("/")).part()


@dataclass(frozen=True, slots=True)
class _Reading:
    files: NodeFiles
    at: datetime
    node: str
    root: str

    def part(self) -> FoundPart:
        found = [*self._of_kubeadm(), *self._of_kubelet()]
        if not found:
            nothing = Doubt(DoubtKind.FAILED, "neither kubeadm's nor a kubelet's files exist")
            return FoundPart(not_read=(NotRead(f"the certificates of {self.node}", nothing),))
        doubts = [self._doubt(each) for each in found]
        not_read = tuple(
            NotRead(f"{each.use}, {each.where}", doubt, self.node, lacks=_lacking(each, doubt))
            for each, doubt in zip(found, doubts, strict=True)
            if doubt is not None
        )
        known = zip(found, doubts, strict=True)
        return FoundPart(
            tuple(each for each, doubt in known if doubt is None),
            not_read + tuple(self._left_out()),
        )

    @property
    def is_control_plane(self) -> bool:
        """Whether the node has an API server's manifest or a control plane's certificate. admin.conf does not count: it may be a copy."""
        return self.files.has(API_SERVER_MANIFEST) or any(
            self.files.has(path) for path, _ in LEAVES.values()
        )

    @property
    def has_etcd(self) -> bool:
        """Whether an etcd member runs on this node. An external etcd has its certificates elsewhere."""
        return self.files.has(ETCD_MANIFEST) or any(
            self.files.has(LEAVES[use][0]) for use in _OF_ETCD
        )

    def _expects(self, use: CertificateUse) -> bool:
        return self.is_control_plane and (self.has_etcd or use not in _ONLY_WITH_ETCD)

    def _of_kubeadm(self) -> Iterator[FoundCertificate]:
        for use, (path, ca) in (CONFS | LEAVES).items():
            file = self.files.get(path)
            if file is not None:
                yield self._leaf(use, self._named(file), ca)
            elif self._expects(use):
                yield self._absent(use, path, ca)
        for use, base in AUTHORITIES.items():
            file = self.files.get(f"{base}.crt")
            if file is not None:
                yield from self._authority(use, file)
            elif self._expects(use):
                yield self._absent(use, f"{base}.crt", None)

    def _named(self, file: NodeFile) -> NodeFile:
        """The file with the certificate: the file that a kubeconfig names, or else `file`."""
        path = file.named[0]
        if file.fault or not path:
            return file
        missing = NodeFile(file.path, fault=f"it refers to {path}, which does not exist")
        return self.files.get(path) or missing

    def _leaf(self, use: CertificateUse, file: NodeFile, ca: CertificateUse) -> FoundCertificate:
        found = self._found(use, file, ca)
        if found.certificate is None:
            return found
        not_signed = self._not_signed(found, ca)
        faults = [*self._key_faults(file, found.certificate), *filter(None, [not_signed])]
        if found.certificate.unhandled_critical:  # no verifier accepts it, whoever signed it
            faults.append("x509: unhandled critical extension")
        return replace(
            found,
            fault="; ".join(faults),
            authority=self._signer(found, ca),
        )

    def _signer(self, found: FoundCertificate, ca: CertificateUse) -> str:
        file = self.files.get(f"{AUTHORITIES[ca]}.crt")
        return authority_of(found.chain, file.chain if file else (), ca)

    def _authority(self, use: CertificateUse, file: NodeFile) -> Iterator[FoundCertificate]:
        """The certificates in a CA's file: the first, which kubeadm reads, then any others, as during a rotation."""
        found = self._found(use, file, None)
        key = self.files.get(f"{AUTHORITIES[use]}.key")
        fault = ""
        if found.certificate and key and key.keys and found.certificate.spki_sha256 not in key.keys:
            fault = f"{posixpath.basename(key.path)} belongs to another certificate"
        yield replace(
            found,
            fault=found.fault or fault,
            externally_managed=self._is_external(use),
        )
        for number, certificate in enumerate(found.chain[1:], start=2):
            where = f"{found.where}, certificate {number}"
            yield replace(found, where=where, chain=(certificate,), fault="")

    def _found(
        self, use: CertificateUse, file: NodeFile, ca: CertificateUse | None
    ) -> FoundCertificate:
        nothing = "the file has no certificate" if not file.chain else ""
        return FoundCertificate(
            use,
            self.root + file.path,
            Vantage.NODE_DISK,
            self.at,
            node=self.node,
            root=self.root,
            chain=file.chain,
            fault=file.fault or nothing,
            ca=str(ca or ""),
            externally_managed=False if ca is None else self._is_external(ca),
        )

    def _absent(
        self, use: CertificateUse, path: str, ca: CertificateUse | None
    ) -> FoundCertificate:
        found = self._found(use, NodeFile(path), ca)
        return replace(found, fault="", missing=True)

    def _is_external(self, ca: CertificateUse) -> bool | None:
        """Whether this is a control plane without the CA's key, so that kubeadm cannot renew certificates of that CA.

        Returns None if the CA's certificate cannot be read.
        """
        certificate = self.files.get(f"{AUTHORITIES[ca]}.crt")
        if self.is_control_plane and certificate is not None and certificate.doubt is not None:
            return None
        is_there = certificate is not None and bool(certificate.chain)
        has_key = self.files.has(f"{AUTHORITIES[ca]}.key")
        return self.is_control_plane and is_there and not has_key

    def _key_faults(self, file: NodeFile, certificate: Certificate) -> Iterator[str]:
        """What is wrong with the certificate's key; nothing if the key was not read."""
        keys = file
        for path in (file.named[1], f"{file.path.removesuffix('.crt')}.key"):
            beside = self.files.get(path)
            if path and beside is not None and not file.keys:
                keys = beside
                break
        name = posixpath.basename(keys.path)
        the_key = name if keys is not file else "the key"
        if keys.doubt is not None or keys.keys is None:
            return
        if keys.fault:
            yield f"{name}: {keys.fault}"
        elif "" in keys.keys:
            yield f"{the_key} is encrypted"
        elif keys.keys and certificate.spki_sha256 not in keys.keys:
            yield f"{the_key} belongs to another certificate"
        elif not keys.keys and self.files.has_keys:
            yield "the key does not exist"

    def _not_signed(self, found: FoundCertificate, ca: CertificateUse) -> str:
        """Returns "not signed by ..." with Go's error; "" if `ca` signed the certificate, or if unknown."""
        authority = self.files.get(f"{AUTHORITIES[ca]}.crt")
        if authority is None or not authority.chain:
            return ""
        failure = signature_failure(found.chain[0], found.chain[1:], authority.chain)
        return f"not signed by {self.root}{authority.path}: {failure}" if failure else ""

    def _of_kubelet(self) -> Iterator[FoundCertificate]:
        client = kubelet_client_file(self.files)
        if client is not None:
            found = self._leaf(CertificateUse.KUBELET_CLIENT, client, CertificateUse.CLUSTER_CA)
            yield replace(found, externally_managed=False)  # the kubelet renews it itself

    def _doubt(self, found: FoundCertificate) -> Doubt | None:
        path = found.where.removeprefix(self.root)
        own = kubelet_client_file(self.files)
        file = own if own and own.path == path else self.files.get(path)
        return file.doubt if file else None

    def _left_out(self) -> Iterator[NotRead]:
        """The certificates that are not expected on this node, and why."""
        where = self.node
        if not self.is_control_plane:
            text = "this is a worker: neither kube-apiserver.yaml nor a control plane's certificate exists"
            yield self._none(f"kubeadm's certificates of {where}", text)
        elif not self.has_etcd:
            text = "etcd is external: neither etcd.yaml nor an etcd member's certificate exists"
            yield self._none(f"etcd's certificates of {where}", text)
        if kubelet_client_file(self.files) is None:
            text = f"{self.root}{KUBELET_CONF} does not exist"
            yield self._not_asked(f"the kubelet client certificate of {where}", text)

    def _not_asked(self, what: str, text: str) -> NotRead:
        return NotRead(what, Doubt(DoubtKind.NOT_ASKED, text), self.node)

    def _none(self, what: str, text: str) -> NotRead:
        return replace(self._not_asked(what, text), is_not_missed=True)


def _lacking(found: FoundCertificate, doubt: Doubt) -> FoundCertificate | None:
    """The entry for a certificate that was not read; None if no certificate is expected."""
    is_sought = doubt.kind is not DoubtKind.NOT_ASKED
    return replace(found, chain=(), fault="", missing=False) if is_sought else None
