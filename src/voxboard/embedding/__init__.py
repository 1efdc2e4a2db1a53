"""Embedding: utterances to vectors, kept in caches and exported to files."""
