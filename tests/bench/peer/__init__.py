"""Sprawl and Apache Kafka side by side."""
