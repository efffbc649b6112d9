"""A small asyncio Kafka client for Sprawl's own command line, on the gateway's codec.

It speaks to any broker of Kafka 3.0 or later. Applications should use their own Kafka client.
"""
