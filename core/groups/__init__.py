"""Consumer groups and their committed offsets; README.md has the rules."""
