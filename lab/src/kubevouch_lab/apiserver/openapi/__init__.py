"""What the API's objects look like: the table of fields, and the OpenAPI documents made from it."""

from kubevouch_lab.apiserver.openapi.documents import Served, document

__all__ = ["Served", "document"]
