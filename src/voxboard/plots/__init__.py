"""Plots for papers: DET curves, histograms, calibration, forests of groups, confusion matrices, as matplotlib figures.

    det              several systems on probit axes, with their operating points
    histogram        scores of targets and non-targets
    calibration      Bayes error rate over priors; reliability where scores are at hand
    forest           speaker groups with intervals, the worst one and the gap
    confusion        which class is taken for which
    timeline         a recording's diarization errors over time, from `voxboard.diarization.error_timeline`
    save             PNG or SVG, the same bytes every time

They draw what `voxboard.records.Curves` holds, or scores with labels. matplotlib is imported when one is drawn.
"""

from voxboard.plots.bayes import calibration
from voxboard.plots.confusion import confusion
from voxboard.plots.groups import forest
from voxboard.plots.scores import histogram
from voxboard.plots.style import save
from voxboard.plots.timeline import timeline
from voxboard.plots.tradeoff import det

__all__ = ["calibration", "confusion", "det", "forest", "histogram", "save", "timeline"]
