"""JSON Schemas of what requests and answers hold, for the description. Pure."""

from __future__ import annotations

from sprawl.schema_registry.model.entities import Level, Mode
from sprawl.schema_registry.rest.parameters import Json
from sprawl.schema_registry.rest.routes import Shape


def _object(properties: Json, *required: str) -> Json:
    shape: Json = {"type": "object", "properties": properties}
    return {**shape, "required": list(required)} if required else shape


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": "boolean"}
_INT: Json = {"type": "integer", "format": "int32"}
_TEXTS: Json = {"type": "object", "additionalProperties": _TEXT}
_LEVEL: Json = {"type": "string", "enum": [level.value for level in Level]}
_MODE: Json = {"type": "string", "enum": [mode.value for mode in Mode]}


def _or_null(shape: object) -> Json:
    return {"anyOf": [shape, {"type": "null"}]}


_CONTENT: Json = {
    "guid": {"type": "string", "format": "uuid"},
    "schemaType": {**_TEXT, "description": "AVRO, JSON or PROTOBUF"},
    "references": _array(_ref("Reference")),
    "metadata": _ref("Metadata"),
    "ruleSet": _ref("RuleSet"),
    "schema": _TEXT,
    "ts": {"type": "integer", "format": "int64", "description": "Of its record, in ms"},
    "deleted": _FLAG,
}
_CONFIG: Json = {
    "alias": _TEXT,
    "aliasForDeks": _TEXT,
    "normalize": _FLAG,
    "validateFields": _FLAG,
    "validateNewSchemas": _FLAG,
    "validateRules": _FLAG,
    "compatibilityPolicy": {"type": "string", "enum": ["STRICT", "LENIENT"]},
    "compatibilityGroup": _TEXT,
    "defaultMetadata": _ref("Metadata"),
    "overrideMetadata": _ref("Metadata"),
    "defaultRuleSet": _ref("RuleSet"),
    "overrideRuleSet": _ref("RuleSet"),
}

COMPONENTS: Json = {
    "Error": _object({"error_code": _INT, "message": _TEXT}, "error_code", "message"),
    "Reference": _object(
        {"name": _TEXT, "subject": _TEXT, "version": _INT}, "name", "subject", "version"
    ),
    "Metadata": _object(
        {
            "tags": {"type": "object", "additionalProperties": _array(_TEXT)},
            "properties": _TEXTS,
            "sensitive": _array(_TEXT),
        }
    ),
    "Rule": _object(
        {
            "name": _TEXT,
            "doc": _TEXT,
            "kind": {"type": "string", "enum": ["TRANSFORM", "CONDITION"]},
            "mode": {
                "type": "string",
                "enum": ["UPGRADE", "DOWNGRADE", "UPDOWN", "WRITE", "READ", "WRITEREAD"],
            },
            "type": _TEXT,
            "tags": _array(_TEXT),
            "params": _TEXTS,
            "expr": _TEXT,
            "onSuccess": _TEXT,
            "onFailure": _TEXT,
            "disabled": _FLAG,
        }
    ),
    "RuleSet": _object(
        {
            "migrationRules": _array(_ref("Rule")),
            "domainRules": _array(_ref("Rule")),
            "encodingRules": _array(_ref("Rule")),
            "enableAt": _TEXT,
        }
    ),
    "Schema": _object(
        {"subject": _TEXT, "version": _INT, "id": _INT, **_CONTENT, "aliases": _array(_TEXT)},
        "subject",
        "version",
        "id",
        "schema",
    ),
    "SchemaString": _object(
        {"subject": _TEXT, "version": _INT, **_CONTENT, "maxId": _INT}, "schema"
    ),
    "RegisterSchemaRequest": _object(
        {
            "version": _INT,
            "id": _INT,
            "schemaType": _TEXT,
            "references": _array(_ref("Reference")),
            "metadata": _ref("Metadata"),
            "ruleSet": _ref("RuleSet"),
            "schema": _TEXT,
        }
    ),
    "RegisterSchemaResponse": _object({"id": _INT, "version": _INT, **_CONTENT}, "id"),
    "TagSchemaRequest": _object(
        {
            "newVersion": _INT,
            "metadata": _ref("Metadata"),
            "ruleSet": _ref("RuleSet"),
            "rulesToMerge": _ref("RuleSet"),
            "rulesToRemove": _array(_TEXT),
        }
    ),
    "SubjectVersion": _object({"subject": _TEXT, "version": _INT}, "subject", "version"),
    "ContextId": _object({"context": _TEXT, "id": _INT}, "context", "id"),
    "CompatibilityCheckResponse": _object(
        {"is_compatible": _FLAG, "messages": _array(_TEXT)}, "is_compatible"
    ),
    "Config": _object({**_CONFIG, "compatibilityLevel": _LEVEL}),
    "ConfigUpdateRequest": _object(
        {name: _or_null(shape) for name, shape in (_CONFIG | {"compatibility": _LEVEL}).items()}
    ),
    "ConfigUpdateResponse": _object({**_CONFIG, "compatibility": _LEVEL}),
    "Mode": _object({"mode": _MODE}),
    "ModeUpdateRequest": _object({"mode": _or_null(_MODE)}, "mode"),
    "Empty": {"type": "object"},
    "ServerClusterId": _object({"id": _TEXT, "scope": {"type": "object"}}, "id", "scope"),
    "ServerVersion": _object({"version": _TEXT, "commitId": _TEXT}, "version"),
    "Deployment": _object({"attributes": _array(_TEXT)}, "attributes"),
}

EMPTY = Shape("An empty object", _ref("Empty"))
NO_CONTENT = Shape("Done", None)
SCHEMA = Shape("A version of a subject", _ref("Schema"))
SCHEMAS = Shape("Versions of subjects", _array(_ref("Schema")))
SCHEMA_STRING = Shape("A schema", _ref("SchemaString"))
SCHEMA_TEXT = Shape("The schema itself", _TEXT, is_text=True)
REGISTERED = Shape("The version that is registered", _ref("RegisterSchemaResponse"))
NAMES = Shape("Names", _array(_TEXT))
NUMBERS = Shape("Numbers", _array(_INT))
NUMBER = Shape("A number", _INT)
SUBJECT_VERSIONS = Shape("Subjects and versions", _array(_ref("SubjectVersion")))
CONTEXT_IDS = Shape("Contexts and ids", _array(_ref("ContextId")))
COMPARISON = Shape("Whether it is compatible", _ref("CompatibilityCheckResponse"))
CONFIG = Shape("A config", _ref("Config"))
CONFIG_UPDATE = Shape("The config after the change", _ref("ConfigUpdateResponse"))
MODE = Shape("A mode", _ref("Mode"))
CLUSTER = Shape("Ids of the clusters", _ref("ServerClusterId"))
SERVER_VERSION = Shape("Version of the software", _ref("ServerVersion"))
DEPLOYMENT = Shape("What kind of deployment it is", _ref("Deployment"))
DESCRIPTION = Shape("OpenAPI 3 description of this interface", _ref("Empty"))
