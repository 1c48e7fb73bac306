"""What NPM 2.15.1 accepts, for the calls that are used: the request schemas of its OpenAPI document, in short.

`test_npm_routes.py` holds them against the whole document where HOLDFAST_TEST_NPM_OPENAPI names a copy of it.
"""

from typing import Any

Schema = dict[str, Any]

BOOL: Schema = {"type": "boolean"}
NAMES: Schema = {
    "type": "array",
    "minItems": 1,
    "maxItems": 100,
    "uniqueItems": True,
    "items": {"type": "string", "pattern": "^[^&| @!#%^();:/\\\\}{=+?<>,~`'\"]+$"},
}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
TARGET: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
SCHEME: Schema = {"type": "string", "enum": ["http", "https"]}
LOCATION: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["forward_scheme", "forward_host", "forward_port", "path"],
    "properties": {
        "id": {"type": ["integer", "null"]},
        "path": {"type": "string", "minLength": 1},
        "forward_scheme": SCHEME,
        "forward_host": TARGET,
        "forward_port": PORT,
        "forward_path": {"type": "string"},
        "advanced_config": {"type": "string"},
    },
}
HOST: Schema = {
    "domain_names": NAMES,
    "forward_scheme": SCHEME,
    "forward_host": TARGET,
    "forward_port": PORT,
    "certificate_id": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^new$"}]},
    "ssl_forced": BOOL,
    "hsts_enabled": BOOL,
    "hsts_subdomains": BOOL,
    "trust_forwarded_proto": BOOL,
    "http2_support": BOOL,
    "block_exploits": BOOL,
    "caching_enabled": BOOL,
    "allow_websocket_upgrade": BOOL,
    "access_list_id": {"type": "integer", "minimum": 0},
    "advanced_config": {"type": "string"},
    "enabled": BOOL,
    "meta": {"type": "object"},
    "locations": {"type": "array", "minItems": 0, "items": LOCATION},
}
STRICT: Schema = {"type": "object", "additionalProperties": False}
CREATE: Schema = {
    **STRICT,
    "required": ["domain_names", "forward_scheme", "forward_host", "forward_port"],
    "properties": HOST,
}
UPDATE: Schema = {**STRICT, "minProperties": 1, "properties": HOST}
TOKEN: Schema = {
    **STRICT,
    "required": ["identity", "secret"],
    "properties": {
        "identity": {"minLength": 1, "type": "string"},
        "scope": {"minLength": 1, "type": "string", "enum": ["user"]},
        "secret": {"minLength": 1, "type": "string"},
    },
}
REQUESTS = {
    ("POST", "/nginx/proxy-hosts"): CREATE,
    ("PUT", "/nginx/proxy-hosts/{hostID}"): UPDATE,
    ("POST", "/tokens"): TOKEN,
}
"""Schemas by method and path."""

ROW: Schema = {
    "type": "object",
    "required": [
        *("id", "created_on", "modified_on", "owner_user_id"),
        *HOST,
    ],
}
"""What every proxy host in an answer has."""
