"""Benchmarks: each headline figure, with its peers beside it in the same run."""
