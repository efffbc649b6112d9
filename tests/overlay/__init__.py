"""The overlay on a simulated network: many nodes, virtual time, faults and liars."""
