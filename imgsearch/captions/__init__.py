"""A library's images in words: captions made and kept, questions asked, texts for other programs. Joins what
`imgsearch.generation` writes with a library's files, matching head and catalog."""
