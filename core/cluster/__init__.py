"""The traffic between the nodes of a cluster; README.md has the rules."""
