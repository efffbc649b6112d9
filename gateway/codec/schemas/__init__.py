"""The messages of each API, in the notation of README.md. A package, so that it is installed."""
