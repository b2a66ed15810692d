"""In which form a client wants its answer: the Accept header (apiserver's pkg/endpoints/handlers/negotiation)."""

from dataclasses import dataclass

from kubevouch_lab.apiserver import status

JSON = "application/json"
_AS = {"Table", "PartialObjectMetadata", "PartialObjectMetadataList"}
_KNOWN = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")


@dataclass(frozen=True)
class Wanted:
    """JSON always; `form` is empty for the object itself, else Table or PartialObjectMetadata(List) in `version`."""

    form: str = ""
    version: str = "v1"


def wanted(header: str) -> Wanted:
    """The first form of the header that is served here; 406 if no form of it is.

    Protobuf is passed over: every client that asks for it takes JSON too.
    """
    if not header:
        return Wanted()
    for choice in header.split(","):
        kind, *parameters = [part.strip() for part in choice.split(";")]
        if kind not in {JSON, "*/*", "application/*"}:
            continue
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        form, version = given.get("as", ""), given.get("v", "v1")
        if not form:
            return Wanted()
        if form in _AS and given.get("g") == "meta.k8s.io" and version in {"v1", "v1beta1"}:
            return Wanted(form, version)
    accepted = ", ".join(_KNOWN[:1])
    message = f"only the following media types are accepted: {accepted}"
    raise status.StatusError(406, "NotAcceptable", message)
