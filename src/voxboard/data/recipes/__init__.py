"""Recipes: one file for each corpus, or layout of a folder."""
