"""The families: files that look alike and are no copies, with true copies beside them."""
