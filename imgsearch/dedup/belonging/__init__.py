"""Which files belong together: versions of one picture, stacks, companions; and what a plan may move of them."""
