"""Grids: backbones × poolers × heads × seeds × learning rates × benchmarks, carried out cell by cell, and resumable."""

from voxboard.grids.spec import Cell, Entry, Grid, Tasks

__all__ = ["Cell", "Entry", "Grid", "Tasks"]
