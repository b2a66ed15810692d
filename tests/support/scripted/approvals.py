"""What PUT .../approval keeps of the body, and what it refuses: the lab's own rules (lab/signer/conditions.py).

Kubernetes' pkg/registry/certificates/certificates/strategy.go: only status.conditions are taken; spec and certificate
are restored without a word; a decision cannot be withdrawn.
"""

from kubevouch_lab.apiserver import status
from kubevouch_lab.objects import Object
from kubevouch_lab.signer.conditions import malformed, settled_times, withdrawn
from tests.support.scripted.kinds import CSRS


def decided(stored: Object, body: Object, now: str) -> Object:
    """The stored request with the body's conditions, or 422. `now` fills times that the body leaves out."""
    before = stored.get("status", {}).get("conditions") or []
    after = (body.get("status") or {}).get("conditions") or []
    causes = [*malformed(before, after), *withdrawn(before, after)]
    if causes:
        raise status.invalid(CSRS.group, CSRS.kind, stored["metadata"]["name"], causes)
    metadata = {**stored["metadata"], **(body.get("metadata") or {})}
    conditions = settled_times(before, after, now)
    return {
        **stored,
        "metadata": metadata,
        "status": {**stored.get("status", {}), "conditions": conditions},
    }
