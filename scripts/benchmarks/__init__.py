"""The benchmarks of `scripts/bench`: modules with cases, the measurement, and the report."""
