"""The loops that act on signing requests: the approver of kubelets' client certificates, the four signers, the cleaner.

Sources: pkg/controller/certificates/{certificate_controller,approver,signer,cleaner} in Kubernetes.
"""

import asyncio
import base64
import logging

from kubevouch.clock import Clock
from kubevouch.x509 import X509Error
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import CSRS
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.request import AUTHENTICATED, Authorizer, UserInfo
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, condition, name_of, status_of
from kubevouch_lab.rng import Entropy
from kubevouch_lab.signer import approver, cleaner
from kubevouch_lab.signer.csr_strategy import parsed
from kubevouch_lab.signer.issuing import CannotSign, SigningCa, duration, issued
from kubevouch_lab.signer.rules import CHECKS

_LOG = logging.getLogger(__name__)
CONTROLLER = UserInfo(
    "system:serviceaccount:kube-system:certificate-controller",
    groups=("system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED),
)
"""Whom the client should act as."""
_RETRY = 10.0
"""Seconds until what could not be signed is tried again (the real queue: 0.2 s to 1000 s)."""


class Signers:
    """`await signers.run()` until it is cancelled. ca: None for a cluster whose CA's key lies elsewhere: nothing is signed."""

    def __init__(
        self,
        store: Store,
        client: LocalClient,
        ca: SigningCa | None,
        clock: Clock,
        *,
        authorize: Authorizer,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._client = client
        self.ca = ca
        self._clock = clock
        self._authorize = authorize
        self._entropy = entropy
        self._failed = asyncio.Event()

    async def run(self) -> None:
        """Acts on what is there, then on what comes."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._retry())
            tasks.create_task(self._clean())

    def act(self, request: Object) -> None:
        """Approves or signs one request, as far as the rules allow it now."""
        name = name_of(request)
        try:
            message = approver.approval(request, self._authorize)
            if message:
                request = self._client.update(CSRS, self._approved(request, message), "approval")
            elif approver.waits(request):
                self._failed.set()
            if _to_sign(request):
                self._sign(request)
        except StatusError as error:
            if error.code not in {404, 409}:
                self._failed.set()
                _LOG.warning("signing request %s: %s", name, error.message)
        except (X509Error, CannotSign) as error:
            self._failed.set()
            _LOG.info("signing request %s: %s", name, error)

    def clean(self) -> None:
        """Deletes what is old."""
        now = self._clock.now()
        for request in self._store.list(CSRS):
            if cleaner.is_old(request, now):
                self._client.delete(CSRS, name_of(request))

    async def _follow(self) -> None:
        with self._store.watch(CSRS) as changes:
            await self._all()
            async for change in changes:
                current = self._store.find(CSRS, change.where[1])
                if current is not None and change.after is not None:
                    self.act(current)

    async def _retry(self) -> None:
        """Nobody wakes up while all is well."""
        while True:
            await self._failed.wait()
            self._failed.clear()
            await self._clock.sleep(_RETRY)
            await self._all()

    async def _all(self) -> None:
        for request in self._store.list(CSRS):
            self.act(request)
            # A signature takes a millisecond: others have a turn between two.
            await self._clock.sleep(0)

    async def _clean(self) -> None:
        while True:
            self.clean()
            await self._clock.sleep(cleaner.EVERY.total_seconds())

    def _approved(self, request: Object, message: str) -> Object:
        now = moment(self._clock.now())
        made = {
            "type": "Approved",
            "status": "True",
            "reason": approver.REASON,
            "message": message,
            "lastUpdateTime": now,
        }
        return _with_condition(request, made)

    def _sign(self, request: Object) -> None:
        spec = request["spec"]
        check = CHECKS.get(spec["signerName"])
        if check is None or self.ca is None:
            return
        asked, usages = parsed(spec), spec.get("usages") or []
        fault = check(asked, usages)
        if fault:
            made = {
                "type": "Failed",
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": fault,
                "lastUpdateTime": moment(self._clock.now()),
            }
            self._client.update(CSRS, _with_condition(request, made), "status")
            return
        certificate = issued(
            asked,
            usages,
            self.ca,
            now=self._clock.now().replace(microsecond=0),
            life=duration(spec.get("expirationSeconds")),
            serial=int.from_bytes(self._entropy(16), "big") or 1,
        )
        encoded = base64.b64encode(certificate).decode()
        status = {**request["status"], "certificate": encoded}
        self._client.update(CSRS, {**request, "status": status}, "status")


def _to_sign(request: Object) -> bool:
    """Approved, and nothing has become of it yet."""
    ended = condition(request, "Denied") or condition(request, "Failed")
    issued_already = status_of(request).get("certificate")
    return bool(condition(request, "Approved")) and not ended and not issued_already


def _with_condition(request: Object, made: Object) -> Object:
    status = status_of(request)
    conditions = [*(status.get("conditions") or []), made]
    return {**request, "status": {**status, "conditions": conditions}}
