"""Training: batches to weights, as runs that can be gone on with."""
