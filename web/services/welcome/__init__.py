"""The first run in the browser: models, folders, the estimate, the demo, and what a server answers with meanwhile."""
