"""The live view: a model, or a finished run, on a page in the browser."""
