"""What Outlive serves over HTTP."""
