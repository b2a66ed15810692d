"""Names of signers: `<domain>/<path>` (ValidateSignerName in pkg/apis/certificates/validation/validation.go)."""

import re
from collections.abc import Iterator

from kubevouch_lab.apiserver.validation import Cause

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST = 253
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_PART = re.compile(r"[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?")


def signer_name_causes(field: str, name: str) -> Iterator[Cause]:
    """What is wrong with the name of a signer."""
    if not name:
        yield "FieldValueRequired", field, "Required value: signerName must be provided"
        return
    parts = name.split("/")
    if len(parts) != 2:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield _invalid(field, name, text)
        return
    domain, path = parts
    if len(domain) > _LONGEST:
        text = f"Too long: may not be more than {_LONGEST} bytes"
        yield "FieldValueTooLong", field, text
    labels = domain.split(".")
    wrong = next((label for label in labels if not _LABEL.fullmatch(label)), None)
    if wrong is not None:
        yield _invalid(field, domain, f'validating label "{wrong}": {_LABEL_TEXT}')
    if len(labels) < 2:
        text = "should be a domain with at least two segments separated by dots"
        yield _invalid(field, domain, text)
    wrong = next((label for label in path.split(".") if not _PART.fullmatch(label)), None)
    if wrong is not None:
        yield _invalid(field, path, f'validating label "{wrong}": {_SUBDOMAIN_TEXT}')


def _invalid(field: str, value: str, text: str) -> Cause:
    return "FieldValueInvalid", field, f'Invalid value: "{value}": {text}'
