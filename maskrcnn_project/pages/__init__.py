"""Pages that open offline: ``html_page`` writes HTML in which nothing of the user's is markup, ``svg_charts`` draws."""
