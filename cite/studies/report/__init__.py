"""The report of a study: tables, figures and objections, drawn from stored predictions without a model."""

from cite.studies.report.write import ReportFiles, write_report

__all__ = ['ReportFiles', 'write_report']
