"""Which files belong together (versions of one image, stacks, companions) and which of them a plan may move."""
