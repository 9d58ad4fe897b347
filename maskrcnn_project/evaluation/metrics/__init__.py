"""
What is measured, one measure per file, as functions of arrays: matching, average precision, borders, calibration,
confusion, what each kind of error costs, merged and split objects. They know no files and no pages.
"""
