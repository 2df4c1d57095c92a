"""Store outputs in remotes and in the local cache, and restore them from there."""
