"""Reports: a page about one result or several, for whoever has no angiosim."""
