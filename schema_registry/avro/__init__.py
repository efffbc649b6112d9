"""The schema type AVRO: what a schema says, how it is printed, and what can read what.

Source: the Apache Avro 1.12 specification; README.md has the rules.
"""
