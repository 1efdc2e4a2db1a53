"""Property tests: the same examples every time, and no deadline, as a first call imports SciPy."""

from hypothesis import settings

settings.register_profile("voxboard", deadline=None, derandomize=True)
settings.load_profile("voxboard")
