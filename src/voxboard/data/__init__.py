"""Corpora: cuts, batches, targets, and the recipes that bring them."""
