"""Pictures compared by their pixels: signatures, crops, full size."""
