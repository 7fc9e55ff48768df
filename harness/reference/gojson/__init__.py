"""``encoding/json`` in Python: what Go accepts, rejects, keeps and writes."""

from harness.reference.gojson.decode import decode_into
from harness.reference.gojson.encode import encode
from harness.reference.gojson.errors import (
    JSONError,
    JSONSyntaxError,
    JSONTypeError,
    JSONValueError,
)
from harness.reference.gojson.quote import quote

__all__ = [
    "JSONError",
    "JSONSyntaxError",
    "JSONTypeError",
    "JSONValueError",
    "decode_into",
    "encode",
    "quote",
]
