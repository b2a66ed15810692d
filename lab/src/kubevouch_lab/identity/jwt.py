"""Signed tokens (RFC 7519, RS256), only as far as service accounts need them."""

import base64
import binascii
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Claims = dict[str, Any]
LARGEST_TOKEN = 16 * 1024
"""Bytes. A pod's token has about 1,100."""


def key_id(key: rsa.RSAPublicKey) -> str:
    """What stands as `kid` (keyIDFromPublicKey in pkg/serviceaccount/jwt.go): SHA-256 of the key's DER."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _encoded(hashlib.sha256(der).digest())


def signed(claims: Claims, key: rsa.RSAPrivateKey) -> str:
    """The token."""
    header = {"alg": "RS256", "kid": key_id(key.public_key())}
    body = f"{_json(header)}.{_json(claims)}"
    signature = key.sign(body.encode(), padding.PKCS1v15(), SHA256())
    return f"{body}.{_encoded(signature)}"


def looks_like_one(token: str) -> bool:
    """Three parts. What they are is not looked at."""
    return token.count(".") == 2


def verified(token: str, key: rsa.RSAPublicKey) -> Claims | None:
    """The claims of a token signed by this key; None for everything else. Dates are not looked at."""
    if len(token) > LARGEST_TOKEN or not looks_like_one(token):
        return None
    body, _, signature = token.rpartition(".")
    header, _, claims = body.partition(".")
    try:
        if json.loads(_decoded(header)).get("alg") != "RS256":
            return None
        key.verify(_decoded(signature), body.encode(), padding.PKCS1v15(), SHA256())
        found = json.loads(_decoded(claims))
    except (ValueError, AttributeError, InvalidSignature, RecursionError, binascii.Error):
        return None
    return found if isinstance(found, dict) else None


def _json(value: Claims) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
