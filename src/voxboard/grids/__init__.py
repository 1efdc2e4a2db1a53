"""Grids: backbones × poolers × heads × seeds × learning rates × benchmarks, carried out cell by cell, and resumable."""

from voxboard.grids.spec import Cell, Grid, GridEntry, Tasks

__all__ = ["Cell", "Grid", "GridEntry", "Tasks"]
