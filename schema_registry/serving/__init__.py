"""The registry as a service of a node: its state is what the topic `_schemas` says."""
