"""The families: files that look alike and are not copies, with true copies beside them."""
