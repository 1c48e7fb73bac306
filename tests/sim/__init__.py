"""A whole host in memory with virtual time, stories that play on it, and oracles that judge each effect."""
