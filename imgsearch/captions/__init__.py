"""A library's pictures in words: captions made and kept, questions asked, texts given to other programs.

Joins what `imgsearch.generation` writes with a library: its files, its matching head, its catalog.
"""
