"""What is written of a slide: table, heat maps, tiles for QuPath, summary, report."""
