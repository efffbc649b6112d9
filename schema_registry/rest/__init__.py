"""The registry's REST interface over a `RegistryService` (README.md)."""

from sprawl.schema_registry.rest.answers import ServerFacts
from sprawl.schema_registry.rest.auth import Users, hash_password, parse_users
from sprawl.schema_registry.rest.server import RegistryServer

__all__ = ["RegistryServer", "ServerFacts", "Users", "hash_password", "parse_users"]
