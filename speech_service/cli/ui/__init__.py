"""What commands show: progress, live views, tables, plots, sound."""
