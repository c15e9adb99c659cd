"""All remedies beside each other: in sentences, as one HTML page that needs nothing else, and as one figure."""
