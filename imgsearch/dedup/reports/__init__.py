"""Groups and evidence for people and for other programs: HTML, tables, words."""
