"""From folders to files: what a walk enters, takes and passes over."""
