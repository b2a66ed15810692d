"""Reads a document that the operator writes into a ConfigMap: YAML with a schemaVersion."""

from kubevouch import goyaml
from kubevouch.policy.sources.stored import NotAnEntry


def document_in(text: str, schema: str) -> dict[str, goyaml.Value]:
    """The document in the text. Raises NotAnEntry if it is not YAML, or not of this schema."""
    try:
        said = goyaml.read(text.encode())
    except (goyaml.UnreadableYaml, UnicodeError) as error:
        raise NotAnEntry(str(error), "YAML was expected") from None
    version = said.get("schemaVersion") if isinstance(said, dict) else None
    if not isinstance(said, dict) or version != schema:
        raise NotAnEntry(f"schemaVersion {version!r}", f"{schema} was expected")
    return said
