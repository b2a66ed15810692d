"""The cases, as they are being gathered."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from real.oracle.certificates import NOW, Authority, Certificate


@dataclass
class Cases:
    """Certificates by their name, and what is asked about them. Each list becomes a file of JSON lines."""

    certificates: dict[str, bytes] = field(default_factory=dict)
    verify: list[dict[str, object]] = field(default_factory=list)
    requests: list[dict[str, object]] = field(default_factory=list)
    bundles: list[dict[str, object]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def add(self, name: str, certificate: Certificate | bytes) -> str:
        """Takes a certificate into the corpus; its name comes back."""
        der = certificate if isinstance(certificate, bytes) else certificate.der()
        if self.certificates.setdefault(name, der) != der:
            raise ValueError(name)
        return name

    def add_authority(self, name: str, certificate: Certificate) -> Authority:
        """Takes a CA into the corpus."""
        return Authority(self.add(name, certificate), certificate.subject, certificate.key)

    def ask(
        self,
        case: str,
        leaf: str,
        roots: Iterable[str] = ("ca",),
        *,
        intermediates: Iterable[str] = (),
        name: str = "w1.example.com",
        at: datetime = NOW,
    ) -> None:
        """Is `leaf` to be trusted for a name at a moment?"""
        self._once(f"verify {case}")
        asked: dict[str, object] = {"case": case, "leaf": leaf}
        pools = {"intermediates": list(intermediates), "roots": list(roots)}
        asked.update({kind: pool for kind, pool in pools.items() if pool})
        asked.update({"name": name, "at": at.isoformat().replace("+00:00", "Z")})
        self.verify.append(asked)

    def request(self, case: str, pem: bytes, *quirks: str) -> None:
        """What is in a signing request, and which quirks (codes) must be among those told about it."""
        self._once(f"request {case}")
        self.requests.append({"case": case, "pem": pem, "quirks": list(quirks)})

    def bundle(self, case: str, pem: bytes) -> None:
        """What is in a PEM file."""
        self._once(f"bundle {case}")
        self.bundles.append({"case": case, "pem": pem})

    def _once(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"two cases by the name {name}")
        self._names.add(name)
