"""What encoding/json answers to input it cannot take.

JSONError                 any of them
├── JSONSyntaxError       not JSON at all; nothing was decoded
├── JSONTypeError         a value does not fit its Go type; everything that fits was decoded
└── JSONValueError        a value of the right kind with bad content (base64)
"""

from __future__ import annotations

__all__ = ["JSONError", "JSONSyntaxError", "JSONTypeError", "JSONValueError"]


class JSONError(ValueError):
    """Decoding failed; the text is Go's."""


class JSONSyntaxError(JSONError):
    """The input is not JSON (Go's SyntaxError)."""


class JSONTypeError(JSONError):
    """A JSON value does not fit the Go type it was meant for (Go's UnmarshalTypeError)."""


class JSONValueError(JSONError):
    """A string's content is not what its Go type needs."""
