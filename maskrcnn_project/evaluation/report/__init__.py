"""Pages that show an evaluation: one run (``report_page``), two side by side (``compare_page``), and their parts."""
