"""What schemas are made of."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def object_of(**properties: Schema) -> Schema:
    """An object that has all of these and nothing else."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def optional(lacking: tuple[str, ...], **properties: Schema) -> Schema:
    """An object that may lack what ``lacking`` names."""
    made = object_of(**properties)
    return made | {"required": [each for each in properties if each not in lacking]}


def list_of(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema | {"type": [schema["type"], "null"]}


def said(text: str, **schema: Any) -> Schema:
    return {**schema, "description": text}


def ref(name: str) -> Schema:
    """A schema of this document by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
IMAGE_ID = said("of one content; never used again for another", type="integer", minimum=1)
WHEN = said("ISO 8601, UTC", type="string")
