"""What dcgm-exporter says about GPUs: its text, whichever version and scraper it came through, as one value a GPU."""
