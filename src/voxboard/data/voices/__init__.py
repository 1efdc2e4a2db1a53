"""The synthetic corpus: speakers, sentences, rooms, and who speaks them."""
