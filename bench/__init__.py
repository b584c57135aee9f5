"""Side-by-side measurements: one command, one table, ratios taken in the same run."""
