"""What an evaluation means: ``post_mortem`` says why nothing was found."""
