"""The PROTOBUF schema type of the registry (README.md)."""
