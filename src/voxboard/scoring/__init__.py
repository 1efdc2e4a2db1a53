"""Scoring: embeddings to scores of trials."""
