"""What the benchmarks share: servers to measure, what their processes use, and clients that cost little."""
