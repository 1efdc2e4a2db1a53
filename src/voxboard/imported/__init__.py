"""Records of what others computed: scores of trials, RTTM, transcripts. Voxboard takes the numbers, nothing else."""

from voxboard.imported.record import ImportSource

__all__ = ["ImportSource"]
