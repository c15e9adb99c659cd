"""A run, or several beside each other, as one HTML file that needs nothing else."""

from outlive.storm.report.page import Fact, page, rows_of

__all__ = ["Fact", "page", "rows_of"]
