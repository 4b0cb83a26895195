"""What sysvenv costs, measured beside what people would use instead. `benchmarks/run --help` is the way in."""
