"""Pictures: curves of a run, contact sheets of samples, predictions beside ground truth."""
