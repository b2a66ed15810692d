"""Reads a document that the operator writes into a ConfigMap: YAML with a schemaVersion."""

from kubevouch import goyaml
from kubevouch.policy.sources.stored import NotAnEntry


def document_in(text: str, schema: str) -> dict[str, goyaml.Value]:
    """The document in the text. Raises NotAnEntry if it is not YAML, not of this schema, or can be read in two ways.

    Of a key that stands there twice one reader takes the first, and another the last; the same goes for documents.
    """
    twice: list[str] = []

    def note(oddity: goyaml.Oddity, at: goyaml.Position, path: str) -> None:
        if oddity is goyaml.Oddity.DUPLICATE_KEY:
            twice.append(f"line {at.line}: {path} again")
        elif oddity is goyaml.Oddity.FURTHER_DOCUMENT:
            twice.append(f"line {at.line}: another document")

    try:
        said = goyaml.read(text.encode(), note)
    except (goyaml.UnreadableYaml, UnicodeError) as error:
        raise NotAnEntry(str(error), "YAML was expected") from None
    if twice:
        raise NotAnEntry(twice[0], "one document with each key once was expected")
    version = said.get("schemaVersion") if isinstance(said, dict) else None
    if not isinstance(said, dict) or version != schema:
        raise NotAnEntry(f"schemaVersion {version!r}", f"{schema} was expected")
    return said
