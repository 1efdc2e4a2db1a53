"""Evaluation: an encoder and a benchmark to a record."""
