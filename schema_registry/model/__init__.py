"""The registry as a state machine: commands give records of `_schemas`, records give the state."""
