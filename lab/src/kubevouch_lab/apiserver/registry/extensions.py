"""Webhooks and definitions of custom resources: pkg/apis/admissionregistration/v1/defaults.go, apiextensions' defaults.go.

The lab keeps them, and no more: it calls no webhook and serves no custom resource.
"""

from datetime import datetime

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.registry.fields import below, default, items, refused, required
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object, name_of

_TLS_PORT = 443


class Webhooks(Strategy):
    """Configurations of validating and of mutating webhooks."""

    unconditional_update = False

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """What is not said is filled in."""
        return _with_webhook_defaults(kind, super().create(kind, info, new, now))

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """Defaults are no change."""
        return super().main(kind, old, _with_webhook_defaults(kind, new))

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """Each is called either by a URL or as a Service."""
        del kind, old
        causes: list[Cause] = []
        for index, webhook in enumerate(items(new, "webhooks")):
            where = f"webhooks[{index}]"
            if not webhook.get("name"):
                causes.append(required(f"{where}.name"))
            causes += _client_causes(below(webhook, "clientConfig"), f"{where}.clientConfig")
        return causes


class Definitions(Strategy):
    """CustomResourceDefinitions. None is ever established, since nobody serves what it defines."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """What is not said is filled in, and what is stored begins with the version that is."""
        made = _with_definition_defaults(super().create(kind, info, new, now))
        stored = [
            each["name"] for each in items(below(made, "spec"), "versions") if each["storage"]
        ]
        names = {"plural": "", "kind": ""}
        return {
            **made,
            "status": {"conditions": [], "acceptedNames": names, "storedVersions": stored},
        }

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """Defaults are no change."""
        return super().main(kind, old, _with_definition_defaults(new))

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """Its name says what it defines, and a conversion by webhook how that is called."""
        del kind, old
        spec = below(new, "spec")
        wanted = f"{below(spec, 'names').get('plural', '')}.{spec.get('group', '')}"
        causes: list[Cause] = []
        if name_of(new) != wanted:
            why = 'must be spec.names.plural+"."+spec.group'
            causes.append(refused("metadata.name", name_of(new), why))
        conversion = below(spec, "conversion")
        if conversion["strategy"] == "Webhook":
            where = "spec.conversion.webhook"
            called = below(below(conversion, "webhook"), "clientConfig")
            causes += _client_causes(called, f"{where}.clientConfig")
        return causes


def _client_causes(config: Object, where: str) -> list[Cause]:
    """pkg/util/webhook's ValidateWebhookURL and ValidateWebhookService, as far as clients of a lab may be wrong."""
    service: Object | None = config.get("service")
    if bool(config.get("url")) == (service is not None):
        return [required(where, "exactly one of url or service is required")]
    if service is None:
        return []
    wanted = ("namespace", "name")
    return [required(f"{where}.service.{key}") for key in wanted if not service.get(key)]


def _with_webhook_defaults(kind: Kind, new: Object) -> Object:
    for webhook in items(new, "webhooks"):
        default(webhook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
        default(webhook, namespaceSelector={}, objectSelector={})
        if kind.kind == "MutatingWebhookConfiguration":
            default(webhook, reinvocationPolicy="Never")
        for rule in items(webhook, "rules"):
            default(rule, scope="*")
        _default_port(below(webhook, "clientConfig"))
    return new


def _with_definition_defaults(new: Object) -> Object:
    spec = below(new, "spec")
    names = below(spec, "names")
    default(names, singular=names.get("kind", "").lower(), listKind=f"{names.get('kind', '')}List")
    conversion = below(spec, "conversion")
    default(conversion, strategy="None")
    if conversion.get("webhook"):
        _default_port(below(conversion["webhook"], "clientConfig"))
    return new


def _default_port(config: Object) -> None:
    if config.get("service") is not None:
        default(config["service"], port=_TLS_PORT)
