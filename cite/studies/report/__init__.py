"""The report of a study: tables, figures and objections, drawn from stored predictions without a model."""
