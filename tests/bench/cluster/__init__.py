"""Three nodes beside three Apache Kafka brokers."""
