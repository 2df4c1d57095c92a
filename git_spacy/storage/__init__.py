"""Outputs kept for others and for later: in remotes, and in a store of this machine's own."""
