"""Where a run is logged besides its record."""
