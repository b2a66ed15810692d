"""In which form a client wants its answer: the Accept header (apiserver's pkg/endpoints/handlers/negotiation)."""

from kubevouch_lab.apiserver import status

JSON = "application/json"
_AS = {"Table", "PartialObjectMetadata", "PartialObjectMetadataList"}


def wanted_form(header: str) -> str:
    """Empty for the object itself, else Table or PartialObjectMetadata(List): the first form that is served here.

    The answer is JSON always. Protobuf is passed over: every client that asks for it takes JSON too. Raises a 406.
    """
    if not header:
        return ""
    for choice in header.split(","):
        kind, *parameters = [part.strip() for part in choice.split(";")]
        if kind not in {JSON, "*/*", "application/*"}:
            continue
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        form = given.get("as", "")
        if not form:
            return ""
        if form in _AS and given.get("g") == "meta.k8s.io" and given.get("v") == "v1":
            return form
    message = f"only the following media types are accepted: {JSON}"
    raise status.StatusError(406, "NotAcceptable", message)
