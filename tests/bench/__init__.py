"""Benchmarks: what Holdfast costs beside the least that does the same, as ratios (`make bench`)."""
