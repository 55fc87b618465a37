"""The report of a study, from what its runs left behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cite.atomic import write_text


@dataclass(frozen=True)
class ReportFiles:
    """What `write_report` wrote, all in the study's folder.

    Attributes:
        html: One page with everything in it.
        markdown: The same, with links to the figures.
        tables: table.csv, table.parquet, summary.csv, comparisons.csv.
        figures: PNG files.
        warnings: What a referee would object to.
        done: Runs with results.
        planned: Runs of the study.
        text: For a terminal: what is done, the main table, the warnings, where the page is.
    """

    html: Path
    markdown: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    warnings: tuple[str, ...]
    done: int
    planned: int
    text: str


def write_report(
    study_dir: Path, progress: bool = True, data_root: Path | None = None
) -> ReportFiles:
    """Writes the report of a study into its folder; runs that are not done are named and left out.

    Reads stored predictions only: no model, and images only for the groups of stain. The same folder
    gives the same bytes.

    Args:
        study_dir: A folder that `cite fewshot` made.
        progress: Show bars where it takes longer than two seconds.
        data_root: Folder that relative names of patches start from, for the groups of stain; by default
            what the study recorded.

    Raises:
        DataError: No study there, none of its runs is done, or runs of different evaluation sets.
    """
    from cite.pages.html import render_html
    from cite.pages.markdown import render_markdown
    from cite.studies.report.content import report
    from cite.studies.report.facts import Facts
    from cite.studies.report.figures.pictures import draw_pictures
    from cite.studies.report.gather import gather
    from cite.studies.report.referee import objections
    from cite.studies.report.stains import by_stain
    from cite.studies.report.summary import summarise, write_summary
    from cite.studies.report.table import tidy_rows, write_table
    from cite.studies.report.terminal import terminal_text

    folder = Path(study_dir)
    material = gather(folder, progress)
    tables = write_table(material, tidy_rows(material), folder)
    summary = summarise(material, progress)
    tables += write_summary(summary, folder)
    facts = Facts(material, summary, by_stain(material, summary.best, data_root, progress))
    pictures = draw_pictures(facts, folder)
    document = report(facts, pictures)
    markdown, html = folder / 'report.md', folder / 'report.html'
    write_text(markdown, render_markdown(document))
    write_text(html, render_html(document, folder))
    warnings = objections(facts)
    return ReportFiles(
        html=html,
        markdown=markdown,
        tables=tuple(tables),
        figures=tuple(folder / 'figures' / f'{name}.png' for name in pictures),
        warnings=tuple(warnings),
        done=len(material.done),
        planned=len(material.runs),
        text=terminal_text(facts, warnings, html),
    )
