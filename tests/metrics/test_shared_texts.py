"""Equal texts are one object, and no stream of new ones fills the memory."""

from kubevouch.metrics.fleet import SharedTexts


def made(text: str) -> str:
    """An equal text that is another object."""
    return "".join(list(text))


def test_equal_labels_are_the_same_objects() -> None:
    texts = SharedTexts()
    [(name, value)] = texts.labels({made("application"): made("web server")}).items()
    assert texts.one(made("application")) is name
    assert texts.one(made("web server")) is value


def test_the_table_begins_anew_when_it_is_full() -> None:
    texts = SharedTexts()
    first = texts.one(made("application"))
    for number in range(20_000):
        texts.one(f"label {number}")
    assert texts.one(made("application")) is not first
