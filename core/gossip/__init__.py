"""Who is in the cluster and seems alive: SWIM with Lifeguard. See README.md."""
