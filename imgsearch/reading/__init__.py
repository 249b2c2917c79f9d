"""Words that stand in pictures: found, read, and kept in the library, where a search finds them.

`engine` asks the models (the ``ocr`` extra), `reader` reads one image with it, `run` a library's images.
"""
