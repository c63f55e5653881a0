"""What all benches share: measuring, and showing what was found in a terminal, as Markdown and as a chart."""
