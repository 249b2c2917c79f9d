"""The JSON that the API speaks, as schemas of OpenAPI 3.1 (JSON Schema 2020-12). tests/web/routes/test_openapi.py holds
the answers to them."""

from __future__ import annotations

from web.http.schemas.answers import ANSWERS
from web.http.schemas.collected import COLLECTED
from web.http.schemas.duplicates import DUPLICATES
from web.http.schemas.library import LIBRARY
from web.http.schemas.parts import COUNT, FLAG, IMAGE_ID, NUMBER, TEXT, WHEN, Schema, ref
from web.http.schemas.pictures import PICTURES, QUESTION

SCHEMAS: dict[str, Schema] = {**ANSWERS, **PICTURES, **COLLECTED, **LIBRARY, **DUPLICATES}

__all__ = ["COUNT", "FLAG", "IMAGE_ID", "NUMBER", "QUESTION", "SCHEMAS", "TEXT", "WHEN", "Schema", "ref"]
