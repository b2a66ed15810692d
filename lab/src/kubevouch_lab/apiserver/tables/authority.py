"""Who may what, who is who, and which API is whose."""

from datetime import datetime

from kubevouch_lab.apiserver.tables.ages import human_duration
from kubevouch_lab.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Cell,
    Column,
    Printer,
    age_of,
    at,
    condition,
    formatted_selector,
    items,
    name_of,
    number,
    text,
    wide,
)
from kubevouch_lab.objects import ReadOnlyObject


def _request(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    seconds = at(thing, "spec.expirationSeconds")
    return [
        name_of(thing),
        age_of(thing, now),
        text(thing, "spec.signerName") or NONE,
        text(thing, "spec.username"),
        human_duration(seconds) if isinstance(seconds, int) else NONE,
        _decided(thing),
    ]


def _decided(thing: ReadOnlyObject) -> str:
    types = {text(one, "type") for one in items(thing, "status.conditions")}
    status = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    status += ",Failed" if "Failed" in types else ""
    return status + (",Issued" if text(thing, "status.certificate") else "")


def _binding(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    named: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for one in items(thing, "subjects"):
        kind, name = text(one, "kind"), text(one, "name")
        shown = f"{text(one, 'namespace')}/{name}" if kind == "ServiceAccount" else name
        named.setdefault(kind, []).append(shown)
    role = f"{text(thing, 'roleRef.kind')}/{text(thing, 'roleRef.name')}"
    subjects = (", ".join(named[kind]) for kind in ("User", "Group", "ServiceAccount"))
    return [name_of(thing), role, age_of(thing, now), *subjects]


def _api_service(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    service = at(thing, "spec.service")
    where = f"{text(service, 'namespace')}/{text(service, 'name')}" if service else "Local"
    available = condition(thing, "Available") or {"status": "Unknown"}
    status, reason = text(available, "status"), text(available, "reason")
    shown = status if status == "True" or not reason else f"{status} ({reason})"
    return [name_of(thing), where, shown, age_of(thing, now)]


def _policy(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    kind = at(thing, "spec.paramKind")
    shown = f"{text(kind, 'apiVersion')}/{text(kind, 'kind')}" if kind else UNSET
    return [name_of(thing), len(items(thing, "spec.validations")), shown, age_of(thing, now)]


def _policy_binding(thing: ReadOnlyObject, now: datetime) -> list[Cell]:
    parameter, shown = at(thing, "spec.paramRef"), UNSET
    if name := text(parameter, "name"):
        shown = f"{text(parameter, 'namespace') or '*'}/{name}"
    elif at(parameter, "selector") is not None:
        shown = formatted_selector(at(parameter, "selector"))
    return [name_of(thing), text(thing, "spec.policyName"), shown, age_of(thing, now)]


REQUEST = Printer(
    (
        NAME,
        AGE,
        Column("SignerName", "Who is asked to sign."),
        Column("Requestor", "Who asks."),
        Column("RequestedDuration", "For how long it is asked."),
        Column("Condition", "What was decided, and whether a certificate was issued."),
    ),
    _request,
)
BINDING = Printer(
    (
        NAME,
        Column("Role", "What may be done."),
        AGE,
        wide("Users", "The users who may."),
        wide("Groups", "The groups that may."),
        wide("ServiceAccounts", "The service accounts that may."),
    ),
    _binding,
)
API_SERVICE = Printer(
    (
        NAME,
        Column("Service", "The service that answers for this API."),
        Column("Available", "Whether it answers."),
        AGE,
    ),
    _api_service,
)
POLICY = Printer(
    (
        NAME,
        number("Validations", "How many rules it has."),
        Column("ParamKind", "What its parameters are."),
        AGE,
    ),
    _policy,
)
WEBHOOKS = Printer(
    (NAME, number("Webhooks", "How many webhooks it has."), AGE),
    lambda thing, now: [name_of(thing), len(items(thing, "webhooks")), age_of(thing, now)],
)
POLICY_BINDING = Printer(
    (
        NAME,
        Column("PolicyName", "The policy that it puts to work."),
        Column("ParamRef", "The parameters."),
        AGE,
    ),
    _policy_binding,
)
