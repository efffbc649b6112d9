"""A Kademlia DHT that says where a partition is led now: hints, never authority (README.md)."""
