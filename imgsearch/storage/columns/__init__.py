"""The catalog's facts as sorted columns in one file, so that filters and counts of a million images take milliseconds.

`tables.py` reads them from the catalog, `file.py` keeps them, `conditions.py` answers a filter by them, `current.py`
brings them up to the present commit. All can be made again from the catalog (`imgsearch.storage.column_files`).
"""
